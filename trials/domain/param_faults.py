"""The check of parameters that a client sends."""

from collections.abc import Mapping
from typing import Any

from studies.models import Study
from tuner_project.errors import FieldError


def param_faults(study: Study, params: Mapping[str, Any], key: str) -> list[FieldError]:
    """Return an error for each parameter outside the search space; `key` is their path.

    Parameters may be missing, if the sampler finds values for them.
    """
    return [
        FieldError((key, name), f'parameter "{name}": {fault}')
        for name, fault in study.current.space.partial_faults(params)
    ]

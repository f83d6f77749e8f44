"""The system attributes that Optuna and its samplers set on trials and studies."""

from collections.abc import Collection, Mapping
from typing import Any

# The fixed parameters of an enqueued trial.
FIXED_PARAMS = "fixed_params"

# The attribute of a study with the names of its objectives.
METRIC_NAMES = "study:metric_names"

# What drew a trial of a sampler that chooses among others.
SAMPLED_BY = "tuner:sampled_by"

# Attributes by which a sampler shares a trial's parameters with other processes while only some
# of them are stored. This service stores all parameters at once and does not need them.
TRANSIENT_ATTRIBUTES = ("tpe:relative_params", "gp:relative_params")


def keys_referring_to(study_attrs: Mapping[str, Any], trial_ids: Collection[int]) -> list[str]:
    """Return the keys of a study's attributes that list one of the ids, like NSGA-II's parents.

    Without such an attribute, its sampler finds its value again when it needs it.
    """
    return [
        key
        for key, value in study_attrs.items()
        if isinstance(value, list) and any(trial_id in value for trial_id in trial_ids)
    ]

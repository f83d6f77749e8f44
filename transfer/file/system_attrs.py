"""Validation of the system attributes of samplers and pruners that Optuna reads."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from optuna_bridge.constraints import OLD_KEY
from optuna_bridge.system_attrs import FIXED_PARAMS, TRANSIENT_ATTRIBUTES
from studies.models import Study
from transfer.file.format import PARENTS
from trials.api.fields import MAX_STEP
from tuner_project.errors import FieldError

Shape = tuple[re.Pattern[str], Callable[[Any], bool], str]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value <= MAX_STEP


def _is_list(of: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list) and all(map(of, value))


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


_COUNT = f"expected an integer from 0 to {MAX_STEP}"
_NUMBERS = "expected a list of numbers"
_OF_TRIAL: list[Shape] = [
    (re.compile(FIXED_PARAMS), lambda value: isinstance(value, dict), "expected an object"),
    (
        re.compile(OLD_KEY),
        lambda value: value is None or _is_list(_is_number)(value),
        _NUMBERS,
    ),
    (re.compile(r"[^:]+:generation"), _is_count, _COUNT),
    (re.compile(r"completed_rung_\d+"), _is_number, "expected a number"),
    (re.compile("terminator:cv_scores"), _is_list(_is_number), _NUMBERS),
    (re.compile(f"({'|'.join(TRANSIENT_ATTRIBUTES)}):.*"), _is_text, "expected a text"),
]
_OF_STUDY: list[Shape] = [
    (PARENTS, _is_list(_is_count), "expected a list of trials' numbers"),
    (re.compile("qmc:.*"), _is_count, _COUNT),
    (re.compile("study:metric_names"), _is_list(_is_text), "expected a list of texts"),
]


def note_faults(study: Study, attrs: Mapping[str, Any]) -> Iterator[FieldError]:
    """Yield the errors in the `system_attrs` and `study_attrs` of a trial."""
    of_trial, of_study = attrs.get("system_attrs", {}), attrs.get("study_attrs", {})
    faults = list(_misshapen("system_attrs", of_trial, _OF_TRIAL))
    yield from faults
    yield from _misshapen("study_attrs", of_study, _OF_STUDY)
    names = of_study.get("study:metric_names")
    if isinstance(names, list) and len(names) != len(study.directions):
        path = ("study_attrs", "study:metric_names")
        yield FieldError(path, "expected a name for each objective")
    if not faults:
        yield from _relative_faults(study, of_trial)


def _misshapen(field: str, notes: Mapping[str, Any], shapes: list[Shape]) -> Iterator[FieldError]:
    for key, value in notes.items():
        for pattern, is_right, expected in shapes:
            if pattern.fullmatch(key) and not is_right(value):
                yield FieldError((field, key), f"{expected}, not {value!r:.80}")


def _relative_faults(study: Study, notes: Mapping[str, Any]) -> Iterator[FieldError]:
    """Yield the errors in relatively sampled parameters.

    Stock samplers store them as JSON, split into several strings with numbered keys.
    """
    for prefix in TRANSIENT_ATTRIBUTES:
        texts: list[str] = []
        while text := notes.get(f"{prefix}:{len(texts)}"):
            texts.append(text)
        try:
            params = json.loads("".join(texts) or "{}")
        except ValueError:
            params = None
        known = study.space.distributions
        is_right = isinstance(params, dict) and not study.space.faults(
            {name: value for name, value in params.items() if name in known}
        )
        if not is_right:
            path = ("system_attrs", f"{prefix}:0")
            yield FieldError(path, "expected the JSON of parameters")

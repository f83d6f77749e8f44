"""The allow-list of Optuna's system attributes, with the type of each.

Samplers, pruners and the dashboard trust what they find under their keys: stock Optuna unpickles an
optimizer from those of CMA-ES. So only attributes that are known, and data, are imported.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from rest_framework.exceptions import ParseError

from optuna_bridge.constraints import OLD_KEY
from optuna_bridge.system_attrs import FIXED_PARAMS, PARENTS, TRANSIENT_ATTRIBUTES
from studies.models import Study
from trials.api.fields import MAX_STEP
from tuner_project.errors import FieldError
from tuner_project.rest.parsers import strict_json


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value <= MAX_STEP


def _is_list(of: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list) and all(map(of, value))


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_object(value: Any) -> bool:
    return isinstance(value, dict)


def _is_old_constraints(value: Any) -> bool:
    return value is None or _is_list(_is_number)(value)


def _is_grid(value: Any) -> bool:
    return _is_object(value) and all(isinstance(each, list) for each in value.values())


@dataclass(frozen=True)
class Allowed:
    """Attributes that are imported: the pattern of their keys, and their type."""

    key: re.Pattern[str]
    is_right: Callable[[Any], bool]
    expected: str


def _allowed(key: str, is_right: Callable[[Any], bool], expected: str) -> Allowed:
    return Allowed(re.compile(key, re.DOTALL), is_right, expected)


_COUNT = f"expected an integer from 0 to {MAX_STEP}"
_NUMBERS = "expected a list of numbers"
_TRIAL_NUMBERS = "expected a list of trials' numbers"
_TRANSIENT = rf"({'|'.join(TRANSIENT_ATTRIBUTES)}):\d+"
_OF_TRIAL = [
    _allowed(FIXED_PARAMS, _is_object, "expected an object"),
    _allowed(OLD_KEY, _is_old_constraints, _NUMBERS),
    _allowed(f"{OLD_KEY}:.*", _is_number, "expected a number"),
    _allowed(r"\w+Sampler:generation", _is_count, _COUNT),
    _allowed("(cma|cmawm|sepcma):generation", _is_count, _COUNT),
    _allowed("x_for_tell", _is_list(_is_number), _NUMBERS),
    _allowed(r"completed_rung_\d+", _is_number, "expected a number"),
    _allowed("grid_id", _is_count, _COUNT),
    _allowed("search_space", _is_grid, "expected an object of lists"),
    _allowed("failed_trial", _is_count, _COUNT),
    _allowed("retry_history", _is_list(_is_count), _TRIAL_NUMBERS),
    _allowed("terminator:cv_scores", _is_list(_is_number), _NUMBERS),
    _allowed(_TRANSIENT, _is_text, "expected a text"),
]
_OF_STUDY = [
    Allowed(PARENTS, _is_list(_is_count), _TRIAL_NUMBERS),
    _allowed("qmc:[0-9a-f]+", _is_count, _COUNT),
    _allowed("study:metric_names", _is_list(_is_text), "expected a list of texts"),
]
_LISTS = {"system_attrs": _OF_TRIAL, "study_attrs": _OF_STUDY}


class DroppedAttributes:
    """The attributes that are left out, counted by the beginning of their keys."""

    MAX_PREFIXES = 20  # the others are counted together
    OTHERS = "others"

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def drop_foreign(self, attrs: dict[str, Any]) -> None:
        """Remove those that are not on the allow-list from a trial's two kinds of attributes."""
        for field, allowed in _LISTS.items():
            if given := attrs.get(field):
                kept = {key: given[key] for key in given if _find(allowed, key)}
                attrs[field] = kept
                self._count(given.keys() - kept.keys())

    def drop_misshapen(self, study: Study, attrs: dict[str, Any]) -> None:
        """Remove those on the allow-list that have another type, which Optuna does not check."""
        while faults := list(note_faults(study, attrs)):
            for field, key in (map(str, fault.path) for fault in faults):
                parts = {each for each in attrs[field] if _is_part(each, of=key)}
                attrs[field] = {k: v for k, v in attrs[field].items() if k not in parts}
                self._count(parts)

    def _count(self, keys: set[str]) -> None:
        for key in keys:
            prefix = key.partition(":")[0][:40]
            has_room = prefix in self.counts or len(self.counts) < self.MAX_PREFIXES
            self.counts[prefix if has_room else self.OTHERS] += 1

    def details(self) -> dict[str, Any]:
        """Return what the audit says of them."""
        return {"dropped_attributes": dict(self.counts)} if self.counts else {}

    def __bool__(self) -> bool:
        return bool(self.counts)

    def __str__(self) -> str:
        counts = ", ".join(f"{prefix} {n}" for prefix, n in sorted(self.counts.items()))
        return f"dropped {self.counts.total()} system attributes that are not allowed: {counts}"


def note_faults(study: Study, attrs: Mapping[str, Any]) -> Iterator[FieldError]:
    """Yield the errors in the allowed `system_attrs` and `study_attrs` of a trial."""
    of_trial, of_study = attrs.get("system_attrs", {}), attrs.get("study_attrs", {})
    faults = list(_misshapen("system_attrs", of_trial))
    yield from faults
    yield from _misshapen("study_attrs", of_study)
    names = of_study.get("study:metric_names")
    if isinstance(names, list) and len(names) != len(study.directions):
        path = ("study_attrs", "study:metric_names")
        yield FieldError(path, "expected a name for each objective")
    if not faults:
        yield from _relative_faults(study, of_trial)


def _find(allowed: list[Allowed], key: str) -> Allowed | None:
    return next((each for each in allowed if each.key.fullmatch(key)), None)


def _is_part(key: str, *, of: str) -> bool:
    """Return whether a key is another one, or that of another part of the same transient text."""
    if of.startswith(TRANSIENT_ATTRIBUTES):
        return key.rpartition(":")[0] == of.rpartition(":")[0]
    return key == of


def _misshapen(field: str, notes: Mapping[str, Any]) -> Iterator[FieldError]:
    for key, value in notes.items():
        found = _find(_LISTS[field], key)
        if found and not found.is_right(value):
            yield FieldError((field, key), f"{found.expected}, not {value!r:.80}")


def _relative_faults(study: Study, notes: Mapping[str, Any]) -> Iterator[FieldError]:
    """Yield the errors in relatively sampled parameters.

    Stock samplers store them as JSON, split into several strings with numbered keys.
    """
    for prefix in TRANSIENT_ATTRIBUTES:
        texts: list[str] = []
        while text := notes.get(f"{prefix}:{len(texts)}"):
            texts.append(text)
        try:
            params = strict_json("".join(texts).encode() or b"{}")
        except ParseError:
            params = None
        known = study.space.distributions
        is_right = isinstance(params, dict) and not study.space.value_faults(
            {name: value for name, value in params.items() if name in known}
        )
        if not is_right:
            path = ("system_attrs", f"{prefix}:0")
            yield FieldError(path, "expected the JSON of parameters")

"""Filters of the list of trials."""

import json
import re
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil, floor, isfinite
from typing import Any, cast

from django.db.models import Q, TextField
from django.db.models.expressions import RawSQL

from optuna_bridge.space.search_space import Parameter
from studies.models import Study
from trials.errors import InvalidQuery
from trials.models.querysets import TrialQuerySet
from trials.models.sort_keys import attribute_key, constraint_key, value_key
from tuner_project.json_values import JSON_NUMBER


@dataclass(frozen=True)
class Between:
    """A range of numbers, ends included; an end that is None is open."""

    low: float | None = None
    high: float | None = None


ANY = Between()


@dataclass(frozen=True)
class TrialFilter:
    """The conditions on listed trials; None, `ANY` and an empty mapping match all trials."""

    state: str | None = None
    worker_id: str | None = None
    repeat_group: int | None = None
    value: Between = ANY  # of the chosen objective
    objective: int = 0
    params: Mapping[str, Any] = field(default_factory=dict)  # by name, a value or a Between
    constraints: Mapping[str, Between] = field(default_factory=dict)
    user_attrs: Mapping[str, str | Between] = field(default_factory=dict)  # or a text
    feasible: bool | None = None

    @property
    def by_state_alone(self) -> bool:
        return self == TrialFilter(state=self.state, objective=self.objective)

    def of(self, study: Study) -> TrialQuerySet:
        """Return the matching trials of a study.

        Raises:
            InvalidQuery: the study does not have a parameter or a constraint, or a value is
                outside its space.
        """
        trials = cast(TrialQuerySet, study.trials.all())
        if self.state is not None:
            trials = trials.filter(state=self.state)
        if self.worker_id is not None:
            trials = trials.filter(worker_id=self.worker_id)
        if self.repeat_group is not None:
            trials = trials.filter(repeat_group=self.repeat_group)
        if self.value != ANY:
            trials = trials.alias(value_between=value_key(self.objective))
            trials = trials.filter(_between("value_between", self.value))
        if self.feasible is not None:
            trials = trials.filter(_FEASIBLE if self.feasible else _NOT_FEASIBLE)
        for number, (name, wanted) in enumerate(self.constraints.items()):
            index = constraint_index(study, name, f"constraint.{name}")
            trials = trials.alias(**{f"constraint_{number}": constraint_key(index)})
            trials = trials.filter(_between(f"constraint_{number}", wanted))
        for number, (name, sought) in enumerate(self.user_attrs.items()):
            trials = _with_attribute(trials, number, name, sought)
        return trials.filter(*_of_params(study, self.params))


# A trial that runs, waits or failed for another reason is neither.
_FEASIBLE = Q(state__in=["COMPLETE", "PRUNED"], violation=0)
_NOT_FEASIBLE = Q(violation__gt=0) | Q(infeasible=True)


def constraint_index(study: Study, name: str, key: str) -> int:
    """Return the index of a study's constraint.

    Raises:
        InvalidQuery: The study does not have it; the error is about this key of the query.
    """
    if name not in study.constraints:
        names = ", ".join(study.constraints) or "none"
        fault = f'the study has no constraint "{name:.80}"; its constraints are: {names:.1000}'
        raise InvalidQuery(f"{key:.100}: {fault}", [((key,), fault)])
    return study.constraints.index(name)


def _with_attribute(
    trials: TrialQuerySet, number: int, name: str, sought: str | Between
) -> TrialQuerySet:
    """Return the trials with a user attribute: a number in a range, or a text or what equals it.

    A number is sought by its value, so that 1 and 1.0 are the same; a boolean as JSON writes it.
    """
    text, key = f"attribute_{number}", f"attribute_key_{number}"
    written = RawSQL("user_attrs ->> %s", (name,), output_field=TextField())
    trials = trials.alias(**{text: written, key: attribute_key(name)})
    if isinstance(sought, Between):
        return trials.filter(_number_between(key, sought))
    condition = Q(**{text: sought})
    if re.fullmatch(JSON_NUMBER, sought) and isfinite(float(sought)):
        value = json.loads(sought)
        condition |= _number_between(key, Between(value, value))
    return trials.filter(condition)


def _number_between(key: str, wanted: Between) -> Q:
    """Return the condition on an `attribute_key`, in which numbers have the rank 0."""
    low = [-1, 0] if wanted.low is None else [0, wanted.low]
    high = [0.5, 0] if wanted.high is None else [0, wanted.high]
    return Q(**{f"{key}__gte": low, f"{key}__lte": high})


def _between(column: str, wanted: Between) -> Q:
    ends = {f"{column}__gte": wanted.low, f"{column}__lte": wanted.high}
    return Q(**{lookup: end for lookup, end in ends.items() if end is not None})


def _of_params(study: Study, params: Mapping[str, Any]) -> list[Q]:
    """Return one condition for each of the parameters."""
    exact = {name: each for name, each in params.items() if not isinstance(each, Between)}
    ranges = {name: each for name, each in params.items() if isinstance(each, Between)}
    if faults := study.space.value_faults(exact) + _range_faults(study, ranges):
        name, fault = faults[0]
        at = [(("params", each), text) for each, text in faults]
        raise InvalidQuery(f'parameter "{name}": {fault}'[:2000], at)
    internal = study.space.to_internal(exact)
    return [
        _between(
            f"internal_params__{index}",
            _range(parameter, ranges[parameter["name"]])
            if value is None
            else _one(parameter, value),
        )
        for index, (parameter, value) in enumerate(zip(study.search_space, internal, strict=True))
        if parameter["name"] in params
    ]


def agreeing_params(study: Study, params: Mapping[str, Any]) -> list[Q]:
    """Return the conditions on trials that have these values of parameters, or none yet.

    The values are in the study's search space.
    """
    internal = study.space.to_internal(params)
    return [
        _between(column, _one(parameter, value)) | Q(**{f"{column}__isnull": True})
        for index, (parameter, value) in enumerate(zip(study.search_space, internal, strict=True))
        if value is not None and (column := f"internal_params__{index}")
    ]


def _range_faults(study: Study, ranges: Mapping[str, Between]) -> list[tuple[str, str]]:
    kinds = {each["name"]: each["type"] for each in study.search_space}
    unknown = [name for name in ranges if name not in kinds]
    return study.space.value_faults(dict.fromkeys(unknown)) + [
        (name, "a categorical parameter has no min and max; expected one of its choices")
        for name in ranges
        if kinds.get(name) == "categorical"
    ]


# Floats may differ from their steps by a rounding error, so the ends of a range are put between
# two steps. All other numbers are stored exactly.


def _one(parameter: Parameter, value: float) -> Between:
    """Return the range that contains one value of a parameter, as trials store it."""
    if not _has_float_steps(parameter):
        return Between(value, value)
    low, step = parameter["low"], parameter["step"]
    index = round((value - low) / step)
    return Between(low + (index - 0.5) * step, low + (index + 0.5) * step)


def _range(parameter: Parameter, wanted: Between) -> Between:
    """Return the range of a parameter's stored values for the requested range."""
    if parameter["type"] == "ordinal":
        return _indexes_between(parameter["values"], wanted)
    if not _has_float_steps(parameter):
        return wanted
    low, step = parameter["low"], parameter["step"]

    def steps(end: float) -> float:
        return (min(max(end, low - step), parameter["high"] + step) - low) / step

    slack = 1e-6  # tolerance, as a fraction of a step
    return Between(
        None if wanted.low is None else low + (ceil(steps(wanted.low) - slack) - 0.5) * step,
        None if wanted.high is None else low + (floor(steps(wanted.high) + slack) + 0.5) * step,
    )


def _indexes_between(values: Sequence[float], wanted: Between) -> Between:
    """Return the range of the indexes of increasing values; it is empty if none is in range."""
    return Between(
        None if wanted.low is None else bisect_left(values, wanted.low),
        None if wanted.high is None else bisect_right(values, wanted.high) - 1,
    )


def _has_float_steps(parameter: Parameter) -> bool:
    return parameter["type"] == "float" and parameter.get("step") is not None

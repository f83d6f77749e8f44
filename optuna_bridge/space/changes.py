"""Changes of a study's search space: the space that is stored from then on, or why there is none.

What is stored is the union of all versions, so that it contains each value of each trial: ranges
only grow, choices are only added, and a parameter keeps its place for ever. What is suggested is
the current version (`CurrentSpace`).
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from optuna_bridge.space.condition_changes import (
    conflict_of_conditions,
    conflict_of_presence,
    union_of_conditions,
)
from optuna_bridge.space.search_space import MAX_STEPS, Parameter, SearchSpace, listed_values

# Of the union: as many as a single version may have.
MAX_PARAMETERS = 1000
MAX_CHOICES = 1000

Fault = tuple[tuple[str, ...], str]  # the path in the request, and the error message


@dataclass(frozen=True)
class SpaceRequest:
    """The next version of a search space, as a client requests it.

    Attributes:
        parameters: All parameters that are suggested from then on, in the client's order.
        defaults: For each new parameter, the value that earlier trials count as.
        retired: For each parameter that is left out, the value that later trials have.
    """

    parameters: Sequence[Parameter]
    defaults: Mapping[str, Any] = field(default_factory=dict)
    retired: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class SpaceChange:
    """What a change does to the stored space, and to the stored parameters of trials.

    Attributes:
        stored: The parameters of the union; the new ones are the last.
        retired: The values of all retired parameters.
        defaults: The values of the new parameters in trials, in Optuna's internal representation.
        indexes: For the position of an ordinal parameter with values in between, the new index of
            each old one.
    """

    stored: list[Parameter]
    retired: dict[str, Any]
    defaults: list[float | None]
    indexes: dict[int, list[int]]

    def converted(self, internal_params: Sequence[float | None]) -> list[float | None]:
        """Return a trial's parameters as they are stored from now on."""
        kept = [
            value
            if value is None or position not in self.indexes
            else float(self.indexes[position][int(value)])
            for position, value in enumerate(internal_params)
        ]
        return kept + self.defaults


class SpaceChanges:
    """The possible changes of a space: the union so far, and the retired parameters' values."""

    def __init__(self, stored: Sequence[Parameter], retired: Mapping[str, Any]) -> None:
        self._stored = {parameter["name"]: parameter for parameter in stored}
        self._retired = dict(retired)

    def faults(self, request: SpaceRequest) -> list[Fault]:
        """Return what is missing or wrong in a request."""
        return [*self._faults_of_defaults(request), *self._faults_of_retired(request)]

    def conflicts(self, request: SpaceRequest) -> list[str]:
        """Return why earlier trials would have no place in the space; empty if they have."""
        given = {each["name"]: each for each in request.parameters}
        conflicts = self._conflicts(given)
        found = [f'parameter "{name:.80}": {text}' for name, text in conflicts if text is not None]
        n = len(self._stored.keys() | given.keys())
        if n > MAX_PARAMETERS:
            found.append(
                f"with the retired ones there would be {n} parameters, the maximum is "
                f"{MAX_PARAMETERS}"
            )
        return found

    def _conflicts(self, given: Mapping[str, Parameter]) -> Iterator[tuple[str, str | None]]:
        spaces = SearchSpace(list(self._stored.values())), SearchSpace(list(given.values()))
        for name in {**self._stored, **given}:
            old, new = self._stored.get(name), given.get(name)
            if old is None or new is None:
                yield name, conflict_of_presence(old, new)
            else:
                yield name, _conflict(old, new) or conflict_of_conditions(old, new, *spaces)

    def apply(self, request: SpaceRequest) -> SpaceChange:
        """Return the change for a request without faults and conflicts."""
        given = {each["name"]: each for each in request.parameters}
        stored = [
            {**_union(old, given[name]), **union_of_conditions(old, given[name])}
            if name in given
            else old
            for name, old in self._stored.items()
        ]
        added = [each for each in request.parameters if each["name"] not in self._stored]
        retired = {
            name: request.retired.get(name, self._retired.get(name))
            for name in self._stored
            if name not in given
        }
        indexes = {
            position: new
            for position, (old, union) in enumerate(zip(self._stored.values(), stored, strict=True))
            if (new := _new_indexes(old, union)) is not None
        }
        return SpaceChange(
            stored=[*stored, *added],
            retired=retired,
            defaults=SearchSpace(added).to_internal(request.defaults),
            indexes=indexes,
        )

    def _faults_of_defaults(self, request: SpaceRequest) -> Iterator[Fault]:
        given = {each["name"]: each for each in request.parameters}
        added = {name: each for name, each in given.items() if name not in self._stored}
        for name, parameter in added.items():
            text = "it is new: give the value that the trials so far count as"
            if name in request.defaults:
                text = _fault_of_value(parameter, request.defaults[name])
            if text:
                yield ("defaults", name), f'parameter "{name:.80}": {text}'
        for name in request.defaults.keys() - added.keys():
            yield ("defaults", name), f'parameter "{name:.80}" is not a new one: leave it out'

    def _faults_of_retired(self, request: SpaceRequest) -> Iterator[Fault]:
        given = {each["name"] for each in request.parameters}
        for name, parameter in self._stored.items():
            if name in given:
                continue
            text: str | None = None
            if name in request.retired:
                text = _fault_of_value(parameter, request.retired[name])
            elif name not in self._retired:
                text = "it is left out: give the value that trials have from now on"
            if text:
                yield ("retired", name), f'parameter "{name:.80}": {text}'
        for name in request.retired:
            what = f'parameter "{name:.80}"'
            if name in given:
                yield ("retired", name), f"{what} is in search_space: leave it out of one of them"
            elif name not in self._stored:
                yield ("retired", name), f"{what} is not one of the study's"


def _fault_of_value(parameter: Parameter, value: Any) -> str:
    faults = SearchSpace([parameter]).value_faults({parameter["name"]: value})
    return faults[0][1] if faults else ""


def _conflict(old: Parameter, new: Parameter) -> str | None:
    """Return why one stored parameter cannot stand for both; None if it can."""
    if old["type"] != new["type"]:
        return f"type is {old['type']}, not {new['type']}"
    if listed_values(old):
        return _conflict_of_values(old, new)
    for key, default in (("log", False), ("step", 1 if old["type"] == "int" else None)):
        before, now = old.get(key) or default, new.get(key) or default
        if before != now:
            return f"{key} is {_word(before)}, not {_word(now)}"
    union, step = _union(old, new), old.get("step")
    width = float(union["high"]) - float(union["low"])
    if not math.isfinite(width) or (step is not None and width / step > MAX_STEPS):
        return "the range of all versions would be too large"
    if step is not None and not _is_on_grid(old["low"], new["low"], step):
        return f"low ({new['low']}) is not one of the values so far, in steps of {step}"
    return None


def _conflict_of_values(old: Parameter, new: Parameter) -> str | None:
    kinds = {each: isinstance(each, bool) for each in listed_values(old)}
    for each in listed_values(new):  # true and 1 are equal in Python, and therefore in Optuna
        if kinds.get(each, isinstance(each, bool)) != isinstance(each, bool):
            return f"choice {_word(each)} equals an earlier one of another type"
    n = len(listed_values(_union(old, new)))
    if n > MAX_CHOICES:
        return f"with the earlier ones there would be {n} values, and the maximum is {MAX_CHOICES}"
    return None


def _word(value: Any) -> str:
    return {True: "true", False: "false"}[value] if isinstance(value, bool) else str(value)


def _is_on_grid(low: float, other: float, step: float) -> bool:
    one, two, by = (Decimal(str(number)) for number in (low, other, step))
    return (two - one) % by == 0


def _union(old: Parameter, new: Parameter) -> Parameter:
    """Return the parameter that has the values of both, which do not conflict."""
    match old["type"]:
        case "categorical":
            known = set(old["choices"])
            added = [each for each in new["choices"] if each not in known]
            return {**old, "choices": [*old["choices"], *added]}
        case "ordinal":
            known = set(old["values"])
            added = [each for each in new["values"] if each not in known]
            return {**old, "values": sorted([*old["values"], *added])}
    return {**old, "low": min(old["low"], new["low"]), "high": max(old["high"], new["high"])}


def _new_indexes(old: Parameter, union: Parameter) -> list[int] | None:
    """Return the new index of each value of an ordinal parameter; None if all are as before."""
    if old["type"] != "ordinal":
        return None
    new = [union["values"].index(each) for each in old["values"]]
    return None if new == list(range(len(new))) else new

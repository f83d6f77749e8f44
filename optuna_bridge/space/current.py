"""The current version of a search space: what is suggested, and how it is stored."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, Protocol

from optuna_bridge.space.search_space import (
    Parameter,
    SearchSpace,
    listed_values,
)
from optuna_bridge.space.values import ChoiceIndexes, is_reached

Internal = Sequence[float | None]


class CurrentSpace:
    """What a study suggests, of the space in which its trials are stored.

    Until the first change both are the same. Afterwards the stored space is the union of all
    versions. `space` has the stored parameters in their order, with the ranges and choices of
    now; a retired one has a single value. So a sampler draws it as a constant, and learns from
    trials by the values of the other parameters.
    """

    def __init__(
        self,
        stored: SearchSpace,
        parameters: Sequence[Parameter] | None = None,
        retired: Mapping[str, Any] | None = None,
    ) -> None:
        """Create the current version; `parameters` are None before the first change."""
        self.constants: Mapping[str, Any] = dict(retired or {})
        self.is_stored = parameters is None
        self._stored = stored
        if parameters is None:
            self.space, self.parameters = stored, stored.parameters
            return
        self.parameters = list(parameters)
        current = {each["name"]: each for each in parameters}
        self.space = SearchSpace(
            [
                current.get(each["name"]) or _constant(each, self.constants[each["name"]])
                for each in stored.parameters
            ],
            stored.constraint_texts,
        )

    @property
    def n_free(self) -> int:
        """The number of parameters that are not retired."""
        return len(self.parameters)

    def as_learnt(self, internal_params: Internal) -> Internal | None:
        """Return a trial's stored parameters as parameters of `space`.

        A retired parameter has its value of now. None if another one is outside the current range
        or choices: then a sampler cannot learn from the trial.
        """
        return internal_params if self.is_stored else self._convert(internal_params, by_all=False)

    def as_visited(self, internal_params: Internal) -> Internal | None:
        """Return a trial's stored parameters as parameters of `space`.

        None if one of them, retired or not, has a value that is no longer suggested: then the trial
        is at no point of the space.
        """
        return internal_params if self.is_stored else self._convert(internal_params, by_all=True)

    def contains(self, internal_params: Internal) -> bool:
        """Return whether all stored parameters have values that may be suggested now."""
        return self.as_visited(internal_params) is not None

    def to_stored(self, internal_params: Internal) -> Internal:
        """Return parameters of `space` as trials store them."""
        if self.is_stored:
            return internal_params
        return [
            None if value is None else axis.to_stored(value)
            for axis, value in zip(self._axes, internal_params, strict=True)
        ]

    def only_current(self, params: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return those of a trial's parameters that have values of the current version."""
        if self.is_stored:
            return params
        outside = {name for name, _ in self.space.value_faults(params)}
        return {name: value for name, value in params.items() if name not in outside}

    def _convert(self, internal_params: Internal, *, by_all: bool) -> Internal | None:
        converted: list[float | None] = []
        for axis, is_retired, value in zip(
            self._axes, self._are_retired, internal_params, strict=True
        ):
            found = None if value is None else axis.from_stored(value)
            if found is None and value is not None:
                if by_all or not is_retired:
                    return None
                found = axis.only
            converted.append(found)
        return converted

    @cached_property
    def _are_retired(self) -> list[bool]:
        return [each["name"] in self.constants for each in self.space.parameters]

    @cached_property
    def _axes(self) -> "list[_Axis]":
        pairs = zip(self._stored.parameters, self.space.parameters, strict=True)
        return [
            _Values(listed_values(stored), listed_values(current))
            if listed_values(stored)
            else _Range(self.space.distributions[current["name"]])
            for stored, current in pairs
        ]


class _Axis(Protocol):
    """The conversion of one parameter's values."""

    @property
    def only(self) -> float:
        """The first value, which is the only one of a retired parameter."""

    def from_stored(self, value: float) -> float | None:
        """Return a stored value in the current version; None if it does not have it."""

    def to_stored(self, value: float) -> float:
        """Return a value of the current version as it is stored."""


class _Range:
    """Numbers, which are stored as they are."""

    def __init__(self, distribution: Any) -> None:
        self._distribution = distribution
        self.only = float(distribution.low)

    def from_stored(self, value: float) -> float | None:
        return value if is_reached(self._distribution, value) else None

    def to_stored(self, value: float) -> float:
        return value


class _Values:
    """Listed values, which are stored as their indexes in the list of all versions."""

    only = 0.0

    def __init__(self, stored: Sequence[Any], current: Sequence[Any]) -> None:
        indexes = ChoiceIndexes(stored)
        self._to_stored = [float(indexes[each]) for each in current]
        self._from_stored = {index: float(i) for i, index in enumerate(self._to_stored)}

    def from_stored(self, value: float) -> float | None:
        return self._from_stored.get(value)

    def to_stored(self, value: float) -> float:
        return self._to_stored[int(value)]


def _constant(parameter: Parameter, value: Any) -> Parameter:
    """Return a retired parameter with its only value."""
    if listed_values(parameter):
        key = "choices" if "choices" in parameter else "values"
        return {"type": parameter["type"], "name": parameter["name"], key: [value]}
    kept = {key: parameter[key] for key in ("type", "name", "step") if key in parameter}
    return {**kept, "low": value, "high": value}

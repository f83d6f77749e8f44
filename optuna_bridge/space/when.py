"""`when`, the conditions of a parameter in JSON, and what they mean.

`{"optimizer": ["sgd", "nesterov"]}` lists the values of another parameter; `{"layers": {"min": 2}}`
gives the lowest or the highest one.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution

from optuna_bridge.space.conditions import (
    Condition,
    Conditions,
    Interval,
)
from optuna_bridge.space.values import is_continuous

SLACK = 1e-6  # of a step, since floats may differ from their steps by a rounding error


class ConditionedSpace(Protocol):
    """What is used of a `SearchSpace`, which is built on this module."""

    parameters: list[Mapping[str, Any]]

    @property
    def original(self) -> "ConditionedSpace | None":
        """The space that this one is as samplers see it; None if it is none."""

    @property
    def distributions(self) -> dict[str, BaseDistribution]:
        """The distributions as they are stored and shown."""

    @property
    def distributions_as_sampled(self) -> dict[str, BaseDistribution]:
        """The distributions as samplers see them."""

    @property
    def conditions(self) -> Conditions:
        """The conditions with which trials have the parameters."""

    @property
    def is_conditional(self) -> bool:
        """Whether trials may lack parameters, since these have conditions."""

    def to_internal(self, params: Mapping[str, Any]) -> list[float | None]:
        """Convert valid parameters to Optuna's internal representation."""

    def active_only(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Return those of the valid parameters that are active with the others."""

    def value_faults(self, params: Mapping[str, Any]) -> list[tuple[str, str]]:
        """Return (parameter, fault) for each value outside the space."""

    def value_fault(self, name: str, value: Any) -> str | None:
        """Return what is wrong with the value of one parameter."""

    def internal_value(self, name: str, value: Any) -> float:
        """Convert the valid value of one parameter."""


class Unfit(ValueError):
    """A condition that cannot be: where in it, and why."""

    def __init__(self, path: tuple[str | int, ...], text: str) -> None:
        super().__init__(text)
        self.path, self.text = path, text


def conditions_of(space: ConditionedSpace) -> Conditions:
    """Return the conditions of a space in which `when_faults` finds nothing wrong."""
    by_name = {
        each["name"]: [
            Condition(parent, intervals_of(space, parent, wanted))
            for parent, wanted in each["when"].items()
        ]
        for each in space.parameters
        if each.get("when")
    }
    return Conditions(space.distributions, by_name)


def shown(wanted: Any) -> str:
    """Return what a condition wants, for messages: `one of 'a', 'b'`, `at least 2`."""
    if not isinstance(wanted, Mapping):
        values = ", ".join(f"{each!r:.100}" for each in wanted[:20])
        more = ", …" if len(wanted) > 20 else ""
        return values if len(wanted) == 1 else f"one of {values}{more}"
    low, high = wanted.get("min"), wanted.get("max")
    if low is None or high is None:
        return f"at most {high}" if low is None else f"at least {low}"
    return f"from {low} to {high}"


# Values --------------------------------------------------------------------------------------


def intervals_of(space: ConditionedSpace, parent: str, wanted: Any) -> list[Interval]:
    """Return the values that a condition wants, in Optuna's internal representation.

    Raises:
        Unfit: The parent does not have a value, or cannot be compared.
    """
    distribution = space.distributions[parent]
    if isinstance(wanted, Mapping):
        low, high = wanted.get("min", -math.inf), wanted.get("max", math.inf)
        if low > high:
            raise Unfit(("min",), f"min ({low}) is above max ({high})")
        if isinstance(distribution, CategoricalDistribution):
            return _merged(_choices_between(parent, distribution.choices, low, high))
        intervals = [(float(low), float(high))]
    else:
        if is_continuous(distribution):
            text = f'"{parent:.80}" is a float without a step: give min and max, not values'
            raise Unfit((), text)
        for position, value in enumerate(wanted):
            if fault := space.value_fault(parent, value):
                raise Unfit((position,), f'"{parent:.80}" never has this value: {fault}')
        values = sorted({space.internal_value(parent, value) for value in wanted})
        if isinstance(distribution, CategoricalDistribution):
            return _merged(values)
        intervals = [(value, value) for value in values]
    step = distribution.step if isinstance(distribution, FloatDistribution) else None
    slack = SLACK * (step or 0.0)
    return [(low - slack, high + slack) for low, high in intervals]


def _choices_between(
    parent: str, choices: Sequence[Any], low: float, high: float
) -> Iterator[float]:
    """Yield the indexes of the choices from low to high."""
    for index, choice in enumerate(choices):
        if isinstance(choice, bool) or not isinstance(choice, int | float):
            text = f'"{parent:.80}" has choices that are no numbers: list values, not min and max'
            raise Unfit((), text)
        if low <= choice <= high:
            yield float(index)


def _merged(indexes: Iterable[float]) -> list[Interval]:
    """Return increasing indexes as intervals."""
    found: list[Interval] = []
    for index in indexes:
        if found and found[-1][1] == index - 1:
            found[-1] = found[-1][0], index
        else:
            found.append((index, index))
    return found

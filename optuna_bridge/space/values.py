"""The values of a parameter: which it has, how they are represented, and how they are shown."""

import math
from collections.abc import Callable, Hashable, Sequence
from typing import Any

from optuna.distributions import BaseDistribution, FloatDistribution, IntDistribution

_MAX_SHOWN = 2000  # characters


class ChoiceIndexes:
    """The indexes of choices, found in constant time; 1 equals 1.0, but not true."""

    def __init__(self, choices: Sequence[Any]) -> None:
        self._indexes = {(isinstance(each, bool), each): i for i, each in enumerate(choices)}

    def __contains__(self, value: Any) -> bool:
        return isinstance(value, Hashable) and (isinstance(value, bool), value) in self._indexes

    def __getitem__(self, choice: Any) -> float:
        return self._indexes[isinstance(choice, bool), choice]


def shown_values(choices: Sequence[Any]) -> str:
    """Return choices for an error message, at most 2,000 characters of them."""
    shown, length = [], 0
    for choice in choices:
        shown.append(f"{choice!r:.2000}")
        length += len(shown[-1]) + 2
        if length >= _MAX_SHOWN:
            break
    return ", ".join(shown)[:_MAX_SHOWN]


def converter(distribution: BaseDistribution) -> Callable[[Any], float]:
    """Return what converts valid values to Optuna's internal representation."""
    if isinstance(distribution, FloatDistribution) and distribution.step is not None:
        return lambda value: min(max(float(value), distribution.low), distribution.high)
    return distribution.to_internal_repr


def is_reached(distribution: Any, value: float) -> bool:
    """Return whether a number is within its range and, if there are steps, on one of them.

    Floats may differ from a step by a rounding error, also beyond the last step.
    """
    low, high, step = distribution.low, distribution.high, distribution.step
    if isinstance(distribution, IntDistribution):
        return low <= value <= high and (value - low) % step == 0
    if step is None:
        return low <= value <= high
    index, last = round((value - low) / step), round((high - low) / step)
    return 0 <= index <= last and math.isclose(value, low + index * step, abs_tol=1e-9 * step)


def is_continuous(distribution: BaseDistribution) -> bool:
    """Return whether it has infinitely many values: a float without a step that is no constant."""
    if not isinstance(distribution, FloatDistribution):
        return False
    return distribution.step is None and not distribution.single()

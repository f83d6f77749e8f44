"""The values of a parameter along an axis of the unit cube, in which points are searched."""

import math
from typing import Any

import numpy as np
from optuna.distributions import CategoricalDistribution, FloatDistribution

from optuna_bridge.space.parameter_constraints.evaluation import Column
from optuna_bridge.space.points import ValuesAxis


class UnitAxis:
    """A parameter's values from 0 to 1, such that a uniform number draws as Optuna does at random.

    Values are in Optuna's internal representation: for a parameter that lists its values, `listed`,
    the index of one, and else the number itself.
    """

    def __init__(self, distribution: Any, listed: list[float] | None = None) -> None:
        self._axis = ValuesAxis(distribution)
        self._listed = None if listed is None else np.array(listed)
        self._is_log = getattr(distribution, "log", False)
        self._is_float = isinstance(distribution, FloatDistribution)
        if isinstance(distribution, CategoricalDistribution):
            self._low, self._high, self._step = 0.0, len(distribution.choices) - 1.0, 1.0
        else:
            self._low, self._high = float(distribution.low), float(distribution.high)
            self._step = float(distribution.step or 0)
        if self._is_log:
            widened = 0.0 if self._is_float else 0.5
            self._from = math.log(self._low - widened)
            self._width = math.log(self._high + widened) - self._from

    @property
    def n(self) -> int | None:
        """The number of values; None if they are infinite."""
        return self._axis.n

    def values(self, places: np.ndarray) -> np.ndarray:
        """Return the values at places from 0 to 1."""
        if self.n == 1:
            return np.full(len(places), self._low)
        if self._is_log:
            values = np.exp(self._from + places * self._width)
            values = values if self._is_float else np.round(values)
        elif self.n is None:
            values = self._low + places * (self._high - self._low)
        else:
            positions = np.minimum(np.floor(places * self.n), self.n - 1)
            values = self._low + positions * self._step
        return np.clip(values, self._low, self._high)

    def place(self, value: float) -> float:
        """Return the place of a value; of one with a step, the middle of its part of the axis."""
        if self.n == 1:
            return 0.5
        if self._is_log:
            place = (math.log(value) - self._from) / self._width
        elif self.n is None:
            place = (value - self._low) / (self._high - self._low)
        else:
            place = (self._axis.position(value) + 0.5) / self.n
        return min(max(place, 0.0), 1.0)

    def column(self, values: np.ndarray) -> Column:
        """Return values with the numbers that they count with in constraints."""
        return Column(values, self._numbers(values))

    def _numbers(self, values: np.ndarray) -> np.ndarray:
        if self._listed is None:
            return values
        is_missing = np.isnan(values)
        indexes = np.where(is_missing, 0, values).astype(int)
        return np.where(is_missing, np.nan, self._listed[indexes])

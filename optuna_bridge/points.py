"""The points of a search space: their identity, their number, and an index for each."""

import hashlib
import struct
from collections.abc import Sequence
from functools import cached_property
from math import prod
from typing import Any
from uuid import UUID

import numpy as np
from optuna.distributions import CategoricalDistribution, FloatDistribution

from optuna_bridge.search_space import SearchSpace

MAX_POINTS = 100_000  # a space with more points is treated as infinite

Point = tuple[float, ...]


class Points:
    """The points of a search space.

    A point is identified by its values: a float on a step by the step's index, a choice by its
    index. So 0.1 + 0.2 and 0.3 are the same point if the step is 0.1.
    """

    def __init__(self, space: SearchSpace) -> None:
        self._axes = [_Axis(distribution) for distribution in space.distributions.values()]

    def point(self, internal_params: Sequence[float | None]) -> Point | None:
        """Return the point of a trial's parameters, or None if a parameter is missing."""
        values = [value for value in internal_params if value is not None]
        if len(values) < len(self._axes):
            return None
        return tuple(axis.place(value) for axis, value in zip(self._axes, values, strict=True))

    def hash(self, internal_params: Sequence[float | None]) -> UUID | None:
        """Return a 128-bit hash of a trial's point, or None if a parameter is missing.

        It is the same in every process.
        """
        point = self.point(internal_params)
        return None if point is None else point_hash(point)

    @cached_property
    def n(self) -> int | None:
        """The number of points; None if they are infinite, or more than `MAX_POINTS`."""
        counts = [axis.n for axis in self._axes]
        n = None if None in counts else prod(count for count in counts if count)
        return n if n is not None and n <= MAX_POINTS else None

    # Only for a finite space -----------------------------------------------------------------

    @cached_property
    def _grid(self) -> np.ndarray:
        """The index of each point: an array with one axis for each parameter's values."""
        counts = [axis.n or 0 for axis in self._axes]
        return np.arange(prod(counts)).reshape(counts)

    def index(self, internal_params: Sequence[float | None]) -> int | None:
        """Return the point's index, from 0 to n - 1, or None if a parameter is missing."""
        found = self.indexes(internal_params)
        return int(found[0]) if len(found) == 1 and None not in internal_params else None

    def indexes(self, internal_params: Sequence[float | None]) -> np.ndarray:
        """Return the indexes of all points with the given parameters; None matches any value."""
        given = zip(self._axes, internal_params, strict=True)
        chosen = (slice(None) if v is None else axis.position(v) for axis, v in given)
        return self._grid[tuple(chosen)].ravel()

    def params(self, index: int) -> list[float]:
        """Return the internal parameters of the point with an index."""
        positions = np.unravel_index(index, self._grid.shape)
        return [axis.value(int(p)) for axis, p in zip(self._axes, positions, strict=True)]


def point_hash(point: Point) -> UUID:
    """Return a 128-bit hash of a point, the same in every process."""
    packed = struct.pack(f"<{len(point)}d", *point)
    return UUID(bytes=hashlib.blake2b(packed, digest_size=16).digest())


class _Axis:
    """The values of one parameter, in Optuna's internal representation."""

    def __init__(self, distribution: Any) -> None:
        self._is_choice = isinstance(distribution, CategoricalDistribution)
        self._low = 0 if self._is_choice else distribution.low
        self._high = len(distribution.choices) - 1 if self._is_choice else distribution.high
        self._step = 1 if self._is_choice else distribution.step
        self._is_stepped_float = isinstance(distribution, FloatDistribution) and bool(self._step)

    @cached_property
    def n(self) -> int | None:
        """The number of values; None if they are infinite."""
        if self._low == self._high:
            return 1
        return None if self._step is None else round((self._high - self._low) / self._step) + 1

    def position(self, value: float) -> int:
        """Return the index of a value, from 0."""
        return 0 if self.n == 1 else round((value - self._low) / (self._step or 1))

    def value(self, position: int) -> float:
        return float(min(self._low + position * (self._step or 0), self._high))

    def place(self, value: float) -> float:
        """Return the number that identifies a value: a step's index or the value (-0.0 as 0.0)."""
        return float(self.position(value)) if self._is_stepped_float else value + 0.0

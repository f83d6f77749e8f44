"""The points of a search space: their identity, their number, and an index for each."""

import hashlib
import math
import struct
from bisect import bisect_left
from collections.abc import Callable, Sequence
from functools import cached_property
from math import prod
from typing import Any, Protocol
from uuid import UUID

import numpy as np
from optuna.distributions import CategoricalDistribution, FloatDistribution

MAX_POINTS = 100_000  # a space with more points is treated as infinite

Point = tuple[float, ...]
Allows = Callable[[Sequence[np.ndarray | float], int], np.ndarray]


class Axis(Protocol):
    """The values of one parameter, in Optuna's internal representation."""

    @property
    def n(self) -> int | None:
        """The number of values; None if they are infinite."""

    def position(self, value: float) -> int | None:
        """Return the index of a value, from 0; None if the axis does not have it."""

    def value(self, position: int) -> float:
        """Return the value with an index."""

    def place(self, value: float) -> float | None:
        """Return the number that identifies a value; None if the axis does not have it."""


class Points:
    """The points of a search space, or of a part of it.

    A point is identified by its values: a float on a step by the step's index, a choice by its
    index. So 0.1 + 0.2 and 0.3 are the same point if the step is 0.1.
    """

    def __init__(self, axes: Sequence[Axis], allows: Allows | None = None) -> None:
        """Create the points from the values of each parameter, in the order of the space.

        Args:
            axes: The values of each parameter.
            allows: Returns which of n points satisfy constraints between parameters, given the
                column of each parameter, or its only value; None if there are none.
        """
        self._axes = list(axes)
        self._allows = allows

    def point(self, internal_params: Sequence[float | None]) -> Point | None:
        """Return the point of a trial's parameters.

        None if a parameter is missing, or has a value that is not on its axis.
        """
        values = [value for value in internal_params if value is not None]
        if len(values) < len(self._axes):
            return None
        placed = [axis.place(value) for axis, value in zip(self._axes, values, strict=True)]
        point = tuple(each for each in placed if each is not None)
        return point if len(point) == len(placed) else None

    def hash(self, internal_params: Sequence[float | None]) -> UUID | None:
        """Return a 128-bit hash of a trial's point, or None if it has none.

        It is the same in every process.
        """
        point = self.point(internal_params)
        return None if point is None else point_hash(point)

    @cached_property
    def n_indexes(self) -> int | None:
        """The number of indexes; None if they are infinite, or more than `MAX_POINTS`."""
        n = n_points(self._axes)
        return n if n is not None and n <= MAX_POINTS else None

    @cached_property
    def n(self) -> int | None:
        """The number of points; None as of `n_indexes`."""
        if self.n_indexes is None:
            return None
        return self.n_indexes if self.allowed is None else int(np.count_nonzero(self.allowed))

    # Only for a finite space -----------------------------------------------------------------

    @cached_property
    def _free(self) -> list[int]:
        """The axes that have several values; a space may have more axes than an array."""
        return [index for index, axis in enumerate(self._axes) if axis.n != 1]

    @cached_property
    def _grid(self) -> np.ndarray:
        """The index of each point: an array with one axis for each parameter's several values."""
        counts = [self._axes[index].n or 0 for index in self._free]
        return np.arange(prod(counts)).reshape(counts)

    @cached_property
    def allowed(self) -> np.ndarray | None:
        """Whether each index is that of a point; None if each is."""
        if self._allows is None:
            return None
        positions = np.indices(self._grid.shape).reshape(len(self._free), -1)
        found = dict(zip(self._free, positions, strict=True))
        columns: list[np.ndarray | float] = []
        for index, axis in enumerate(self._axes):
            if index in found:
                values = [axis.value(position) for position in range(axis.n or 0)]
                columns.append(np.array(values)[found[index]])
            else:
                columns.append(axis.value(0))
        return self._allows(columns, self._grid.size)

    def index(self, internal_params: Sequence[float | None]) -> int | None:
        """Return the point's index, from 0 to n - 1, or None if it has none."""
        found = self.indexes(internal_params)
        return int(found[0]) if len(found) == 1 and None not in internal_params else None

    def indexes(self, internal_params: Sequence[float | None]) -> np.ndarray:
        """Return the indexes with the given parameters; None matches any value."""
        given = zip(self._axes, internal_params, strict=True)
        positions = [None if v is None else axis.position(v) for axis, v in given]
        is_off = zip(positions, internal_params, strict=True)
        if any(position is None and v is not None for position, v in is_off):
            return np.empty(0, dtype=int)
        chosen = [positions[index] for index in self._free]
        return self._grid[tuple(slice(None) if p is None else p for p in chosen)].ravel()

    def params(self, index: int) -> list[float | None]:
        """Return the internal parameters of the point with an index."""
        found = np.unravel_index(index, self._grid.shape) if self._free else ()
        positions = dict(zip(self._free, found, strict=True))
        return [axis.value(int(positions.get(k, 0))) for k, axis in enumerate(self._axes)]


def n_points(axes: Sequence[Axis]) -> int | None:
    """Return the number of points; None if they are infinite."""
    counts = [axis.n for axis in axes]
    return None if None in counts else prod(count for count in counts if count)


def point_hash(point: Point) -> UUID:
    """Return a 128-bit hash of a point, the same in every process."""
    packed = struct.pack(f"<{len(point)}d", *point)
    return UUID(bytes=hashlib.blake2b(packed, digest_size=16).digest())


class ValuesAxis:
    """All values of a parameter."""

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


class GridAxis:
    """Some values of a parameter: all choices, and at most so many of a number's values.

    These are at equal distances from the lowest to the highest one, in the logarithm if `log` is
    set, as far as steps allow.
    """

    def __init__(self, distribution: Any, n_values: int) -> None:
        self._values = _grid_values(distribution, n_values)

    @property
    def n(self) -> int:
        """The number of values."""
        return len(self._values)

    def position(self, value: float) -> int | None:
        """Return the index of a value, from 0; None if the grid does not have it."""
        values = self._values
        right = min(bisect_left(values, value), len(values) - 1)
        nearest = min((max(right - 1, 0), right), key=lambda index: abs(values[index] - value))
        distance = values[min(nearest + 1, len(values) - 1)] - values[max(nearest - 1, 0)]
        is_near = math.isclose(value, values[nearest], rel_tol=1e-14, abs_tol=1e-9 * distance)
        return nearest if is_near else None

    def value(self, position: int) -> float:
        """Return the value with an index."""
        return self._values[position]

    def place(self, value: float) -> float | None:
        """Return the index of a value, which identifies it; None if the grid does not have it."""
        position = self.position(value)
        return None if position is None else float(position)


def _grid_values(distribution: Any, n_values: int) -> list[float]:
    axis = ValuesAxis(distribution)
    if axis.n is not None and (
        isinstance(distribution, CategoricalDistribution) or axis.n <= n_values
    ):
        return [axis.value(position) for position in range(axis.n)]
    low, high = float(distribution.low), float(distribution.high)
    shares = np.linspace(0, 1, n_values)
    if distribution.log:
        inner = np.exp((1 - shares) * math.log(low) + shares * math.log(high))
    else:
        inner = (1 - shares) * low + shares * high  # which overflows for no finite bounds
    values = np.clip([low, *inner[1:-1], high], low, high)
    if axis.n is None:
        return sorted({float(value) + 0.0 for value in values})
    return [axis.value(each) for each in sorted({axis.position(value) for value in values})]

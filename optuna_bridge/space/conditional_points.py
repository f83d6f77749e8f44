"""The points of a search space with conditions: those that differ in an active parameter."""

import math
from collections.abc import Sequence
from functools import cached_property

import numpy as np

from optuna_bridge.space.conditions import Conditions
from optuna_bridge.space.points import MAX_POINTS, Allows, Axis, Point, Points, ValuesAxis
from optuna_bridge.space.search_space import SearchSpace

MAX_VALUES = 5_000_000  # points times parameters: 20 MB
_INACTIVE = -math.inf  # in a point; no value is infinite
_NONE = -1  # in the table, where others are positions


class ConditionalPoints(Points):
    """The points of a search space with conditions.

    Values of parameters that are not active do not count, so that each point is there once.
    """

    def __init__(
        self, axes: Sequence[Axis], conditions: Conditions, allows: Allows | None = None
    ) -> None:
        """Create the points from the values of each parameter, in the order of the space.

        `allows` is that of `Points`; a value that is not active is NaN there.
        """
        super().__init__(axes, allows)
        self._conditions = conditions

    def point(self, internal_params: Sequence[float | None]) -> Point | None:
        """Return the point of a trial's parameters.

        None if an active parameter is missing, or has a value that is not on its axis.
        """
        active = self._conditions.active(internal_params)
        point = []
        for axis, value, is_active in zip(self._axes, internal_params, active, strict=True):
            placed = _INACTIVE
            if is_active:
                found = None if value is None else axis.place(value)
                if found is None:
                    return None
                placed = found
            point.append(placed)
        return tuple(point)

    @cached_property
    def n_indexes(self) -> int | None:
        """The number of indexes; None if they are infinite, or more than may be listed."""
        return None if self._table is None else len(self._table)

    # Only for a finite space -----------------------------------------------------------------

    @cached_property
    def _table(self) -> np.ndarray | None:
        """The position of each value of each point (points, parameters); None if `n_indexes` is.

        The points are extended by one parameter after the other, where it is active. Their number
        never falls, so that it is known early if they are too many.
        """
        names = self._conditions.names
        column = {name: index for index, name in enumerate(names)}
        table = np.full((1, len(names)), _NONE, dtype=np.int32)
        values: dict[str, np.ndarray] = {}
        for name in self._conditions.order:
            axis = self._axes[column[name]]
            is_active = np.ones(len(table), dtype=bool)
            for each in self._conditions.of(name):
                is_active &= each.mask(values[each.parent])
            n_active = int(np.count_nonzero(is_active))
            if axis.n is None and n_active:
                return None
            n_values = axis.n or 0
            if len(table) + n_active * (n_values - 1) > min(MAX_POINTS, MAX_VALUES // len(names)):
                return None
            repeats = np.where(is_active, n_values, 1)
            starts = np.cumsum(repeats) - repeats
            table = np.repeat(table, repeats, axis=0)
            positions = np.arange(len(table)) - np.repeat(starts, repeats)
            table[:, column[name]] = np.where(np.repeat(is_active, repeats), positions, _NONE)
            values = {parent: each.repeat(repeats) for parent, each in values.items()}
            if name in self._conditions.parents:
                values[name] = self._values(axis, table[:, column[name]])
        return table

    @staticmethod
    def _values(axis: Axis, positions: np.ndarray) -> np.ndarray:
        """Return the values at positions of an axis; NaN if there is none."""
        listed = [axis.value(position) for position in range(axis.n or 0)]
        return np.array([*listed, np.nan])[positions]

    @cached_property
    def allowed(self) -> np.ndarray | None:
        """Whether each index is that of a point; None if each is."""
        if self._allows is None or self._table is None:
            return None
        columns = [
            self._values(axis, positions)
            for axis, positions in zip(self._axes, self._table.T, strict=True)
        ]
        return self._allows(columns, len(self._table))

    @cached_property
    def _index_of(self) -> dict[bytes, int]:
        table = self._table if self._table is not None else ()
        return {row.tobytes(): index for index, row in enumerate(table)}

    def index(self, internal_params: Sequence[float | None]) -> int | None:
        """Return the point's index, from 0 to n - 1, or None if it has none."""
        row = np.full(len(self._axes), _NONE, dtype=np.int32)
        active = self._conditions.active(internal_params)
        for column, (value, is_active) in enumerate(zip(internal_params, active, strict=True)):
            if is_active and value is not None:
                position = self._axes[column].position(value)
                row[column] = _NONE if position is None else position
        return self._index_of.get(row.tobytes())

    def indexes(self, internal_params: Sequence[float | None]) -> np.ndarray:
        """Return the indexes with the given parameters; None matches any value."""
        table = self._table if self._table is not None else np.empty((0, len(self._axes)))
        found = np.ones(len(table), dtype=bool)
        for column, value in enumerate(internal_params):
            if value is not None:
                position = self._axes[column].position(value)
                found &= table[:, column] == (-2 if position is None else position)
        return np.flatnonzero(found)

    def params(self, index: int) -> list[float | None]:
        """Return the internal parameters of the point with an index; None if it has none."""
        row = self._table[index].tolist() if self._table is not None else []
        return [
            None if position == _NONE else axis.value(position)
            for axis, position in zip(self._axes, row, strict=True)
        ]


def all_points(space: SearchSpace) -> Points:
    """Return all points of a search space."""
    return points_of([ValuesAxis(each) for each in space.distributions.values()], space)


def points_of(axes: Sequence[Axis], space: SearchSpace) -> Points:
    """Return the points of a space that have these values of each parameter, in its order."""
    allows = space.allows if space.parameter_constraints else None
    if space.is_conditional:
        return ConditionalPoints(axes, space.conditions, allows)
    return Points(axes, allows)

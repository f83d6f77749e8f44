"""The points of the unit cube at which some constraints hold: to draw them, and to get near one."""

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from math import prod

import numpy as np

from optuna_bridge.space.parameter_constraints import walk
from optuna_bridge.space.parameter_constraints.axes import UnitAxis
from optuna_bridge.space.parameter_constraints.evaluation import Column, excesses, hold
from optuna_bridge.space.parameter_constraints.parser import ParsedConstraint

MAX_CANDIDATES = 200_000  # that are drawn for a pool
_MAX_REDRAWN = 100_000  # that are drawn for one point
_BUDGET = 400_000_000  # in operations on one number; some 0.5 s
_PARTIAL_BUDGET = 80_000_000  # where values are given, of which a request may have many
_CALL = 1500  # the operations that a call of numpy costs besides
_BLOCK = 1_000_000  # numbers at a time
_POOL = 512
_MAX_KEPT = 50_000  # numbers of a pool
_ENOUGH = 32  # of a pool that was drawn: so many points are not found by luck


class Region:
    """Where constraints that share parameters hold, in the unit cube of those that are free.

    Each method takes bounded time and memory, whatever the constraints are.
    """

    def __init__(
        self,
        axes: Mapping[str, UnitAxis],
        constraints: Sequence[ParsedConstraint],
        given: Mapping[str, float],
        n_regions: int = 1,
    ) -> None:
        """Create the region of some constraints.

        Args:
            axes: The axis of each parameter.
            constraints: The constraints.
            given: The values of parameters that are not free.
            n_regions: How many regions share the budget.
        """
        names = dict.fromkeys(name for each in constraints for name in each.all_names)
        self.names = [name for name in names if name not in given]
        self._axes, self._constraints = axes, constraints
        self._given = {
            name: axes[name].column(np.array([given[name]])) for name in names if name in given
        }
        n_operations = sum(each.n_operations for each in constraints)
        self._cost = n_operations + 8 * len(self.names)
        self._budget = (_PARTIAL_BUDGET if self._given else _BUDGET) // n_regions

    @property
    def n_axes(self) -> int:
        return len(self.names)

    @property
    def spacing(self) -> np.ndarray:
        """The distances by which a move along each axis changes the value."""
        counts = [self._axes[name].n for name in self.names]
        return np.array([1e-6 if n is None else max(1 / n, 1e-9) for n in counts])

    def n_calls(self, n_points: int) -> int:
        """Return how many calls with so many points the budget allows."""
        return max(1, self._budget // (self._cost * (_CALL + n_points)))

    # Points are arrays (n, axes) -------------------------------------------------------------

    def holds(self, points: np.ndarray) -> np.ndarray:
        """Return at which points the constraints hold; nowhere outside the cube."""
        inside = ((points >= 0) & (points <= 1)).all(axis=1)
        found: np.ndarray = inside & hold(self._constraints, self._columns(points), len(points))
        return found

    def excesses(self, points: np.ndarray) -> np.ndarray:
        """Return by how much each comparison is exceeded: (comparisons, n)."""
        return excesses(self._constraints, self._columns(points), len(points))

    def _columns(self, points: np.ndarray) -> dict[str, Column]:
        free = {
            name: self._axes[name].column(self._axes[name].values(points[:, column]))
            for column, name in enumerate(self.names)
        }
        return self._given | free

    @cached_property
    def _drawn(self) -> np.ndarray:
        """The points of the region among uniform candidates, the same in every process."""
        rng, found = np.random.default_rng(0), np.empty((0, self.n_axes))
        for candidates in self._candidates(rng, MAX_CANDIDATES):
            found = np.concatenate([found, candidates[self.holds(candidates)]])
            if len(found) >= self._size:
                break
        return found[: self._size].copy()  # the array may be much larger

    @property
    def _size(self) -> int:
        return max(_ENOUGH, min(_POOL, _MAX_KEPT // self.n_axes))

    @property
    def is_drawn(self) -> bool:
        """Whether uniform candidates are often enough in the region."""
        return len(self._drawn) >= _ENOUGH

    @cached_property
    def pool(self) -> np.ndarray:
        """Points of the region, evenly distributed, the same in every process; empty if none.

        They are drawn, or, where nearly all candidates are outside, listed, or found by descent and
        spread by a random walk.
        """
        if self.is_drawn:
            return self._drawn
        if self._is_listed:
            return self._listed()
        rng = np.random.default_rng(1)
        found = self._drawn if len(self._drawn) else walk.descend(self, rng)
        if not len(found):
            return found
        starts = np.resize(found, (self._size, self.n_axes))
        return walk.spread(self, starts, rng, n_steps=min(400, self.n_calls(self._size)))

    @property
    def _is_listed(self) -> bool:
        """Whether the cube has so few points that all are tried."""
        counts = [self._axes[name].n for name in self.names]
        n = None if None in counts else prod(each or 0 for each in counts)
        return n is not None and n <= min(MAX_CANDIDATES, self._budget // self._cost)

    def _listed(self) -> np.ndarray:
        counts = [self._axes[name].n or 0 for name in self.names]
        n, blocks = prod(counts), []
        for start in range(0, n, _BLOCK // self.n_axes):
            indexes = np.arange(start, min(n, start + _BLOCK // self.n_axes))
            positions = np.array(np.unravel_index(indexes, counts)).T
            points = (positions + 0.5) / counts
            blocks.append(points[self.holds(points)])
        return np.concatenate(blocks)

    def draw(self, rng: np.random.Generator) -> np.ndarray:
        """Return a random point of the region, whose pool must not be empty."""
        if self.is_drawn:
            for candidates in self._candidates(rng, _MAX_REDRAWN):
                found = np.flatnonzero(self.holds(candidates))
                if len(found):
                    return candidates[found[0]]
        start = self.pool[rng.integers(len(self.pool))]
        if self._is_listed:
            return start
        n_steps = min(40, self.n_calls(1))
        return walk.spread(self, start[None], rng, n_steps=n_steps, pool=self.pool)[0]

    def draw_many(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """Return at most n random points of the region, and at least a part of the pool."""
        found = np.empty((0, self.n_axes))
        if self.is_drawn:
            for candidates in self._candidates(rng, _MAX_REDRAWN):
                found = np.concatenate([found, candidates[self.holds(candidates)]])
                if len(found) >= n:
                    return found[:n]
        return np.concatenate([found, rng.permutation(self.pool)])[:n]

    def _candidates(self, rng: np.random.Generator, most: int) -> Iterator[np.ndarray]:
        """Yield uniform points in growing blocks, of `most` in all if the budget allows."""
        block, left = 64, min(most, max(1000, self._budget // (8 * self._cost)))
        widest = max(64, _BLOCK // self.n_axes)
        while left > 0:
            n = min(block, left, widest)
            yield rng.random((n, self.n_axes))
            block, left = 4 * block, left - n

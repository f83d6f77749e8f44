"""The points of a search space that satisfy the constraints between its parameters."""

import threading
from collections import OrderedDict
from collections.abc import Collection, Iterator, Mapping, Sequence

import numpy as np

from optuna_bridge.space.parameter_constraints import walk
from optuna_bridge.space.parameter_constraints.axes import UnitAxis
from optuna_bridge.space.parameter_constraints.parser import ParsedConstraint
from optuna_bridge.space.parameter_constraints.region import Region

Params = Mapping[str, float]  # in Optuna's internal representation
_MAX_KEPT = 8  # sets of regions, for the values that were fixed last
_MAX_TOGETHER = 10_000_000  # numbers


class FeasiblePoints:
    """The feasible points, which are drawn, or looked for near another point.

    Constraints without a common parameter are independent: each group of them has a region of its
    own, so that many of them together are no harder to satisfy than the hardest. Parameters that no
    constraint contains are left out. Fixed values of parameters must satisfy what they decide.
    """

    def __init__(
        self, axes: Mapping[str, UnitAxis], constraints: Sequence[ParsedConstraint]
    ) -> None:
        self._axes, self._constraints = axes, constraints
        self._kept: OrderedDict[tuple[tuple[str, float], ...], list[Region]] = OrderedDict()
        self._lock = threading.Lock()

    def exist(self, fixed: Params) -> bool:
        """Return whether a point with the fixed values was found, in a bounded search."""
        return all(len(each.pool) for each in self._regions(fixed))

    def draw(self, fixed: Params, rng: np.random.Generator) -> dict[str, float]:
        """Return a random point with the fixed values: its parameters that are not fixed.

        It is uniformly distributed, as Optuna's random sampler would draw it again and again.
        """
        found: dict[str, float] = {}
        for region in self._regions(fixed):
            found |= self._params(region, region.draw(rng))
        return found

    def draw_many(
        self, n: int, fixed: Params, rng: np.random.Generator
    ) -> tuple[dict[str, np.ndarray], int]:
        """Return at most n random points: the columns of their parameters, and their number."""
        regions = self._regions(fixed)
        n = min([n, *(_MAX_TOGETHER // each.n_axes for each in regions)])
        points = [each.draw_many(n, rng) for each in regions]
        n = min([n, *map(len, points)])
        columns = {
            name: self._axes[name].values(found[:n, column])
            for region, found in zip(regions, points, strict=True)
            for column, name in enumerate(region.names)
        }
        return columns, n

    def nearest(self, target: Params, fixed: Params, rng: np.random.Generator) -> dict[str, float]:
        """Return a point near the target that has the fixed values, as of `draw`.

        The distance is that in the unit cube. Parameters that the target does not have are in the
        middle of theirs.
        """
        found: dict[str, float] = {}
        for region in self._regions(fixed):
            places = [
                self._axes[name].place(target[name]) if name in target else 0.5
                for name in region.names
            ]
            point = np.array(places)
            if region.holds(point[None])[0]:
                found |= {name: target[name] for name in region.names if name in target}
                continue
            found |= self._params(region, walk.nearest(region, point, region.pool, rng))
        return found

    def _params(self, region: Region, point: np.ndarray) -> dict[str, float]:
        return {
            name: float(self._axes[name].values(point[column : column + 1])[0])
            for column, name in enumerate(region.names)
        }

    def _regions(self, fixed: Params) -> list[Region]:
        """Return the regions with the fixed values; the last ones are kept, with their pools."""
        names = {name for each in self._constraints for name in each.all_names}
        middle = np.array([0.5])
        constant = {
            name: float(self._axes[name].values(middle)[0])
            for name in names
            if self._axes[name].n == 1
        }
        given = constant | {name: value for name, value in fixed.items() if name in names}
        key = tuple(sorted((name, float(value)) for name, value in given.items()))
        with self._lock:
            regions = self._kept.pop(key, None)
            if regions is None:
                groups = list(self._groups(given))
                regions = [Region(self._axes, each, given, len(groups)) for each in groups]
            self._kept[key] = regions
            while len(self._kept) > _MAX_KEPT:
                self._kept.popitem(last=False)
        return regions

    def _groups(self, given: Collection[str]) -> Iterator[list[ParsedConstraint]]:
        """Yield the constraints that share parameters which are not given."""
        groups: list[tuple[set[str], list[ParsedConstraint]]] = []
        for each in self._constraints:
            names = {name for name in each.all_names if name not in given}
            if not names:
                continue
            joined = [group for group in groups if group[0] & names]
            groups = [group for group in groups if not group[0] & names]
            merged = [other for group in joined for other in group[1]]
            groups.append((names.union(*(group[0] for group in joined)), [*merged, each]))
        for _, constraints in groups:
            yield constraints

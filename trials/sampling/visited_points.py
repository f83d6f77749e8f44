"""The points that the trials of a study have visited, for studies that avoid duplicates."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

import numpy as np

from optuna_bridge.space.points import Point
from studies.models import Study
from tuner_project.db.prepared import row_of

# A point is visited if a trial that did not fail has it, or if trials failed at it too often. A
# trial that was cancelled in the queue has not failed at its point.
_COUNT_POINTS = """
SELECT count(*) FROM (
    SELECT FROM trials_trial WHERE study_id = %(study)s AND params_hash IS NOT NULL
     GROUP BY params_hash
    HAVING bool_or(state <> 'FAIL' OR infeasible) OR count(datetime_start) >= %(max_failures)s
) AS visited
"""
_HAS_POINT = """
SELECT EXISTS (
    SELECT FROM trials_trial WHERE study_id = %(study)s AND params_hash = ANY(%(points)s)
     GROUP BY params_hash
    HAVING bool_or(state <> 'FAIL' OR infeasible) OR count(datetime_start) >= %(max_failures)s
)
"""


class VisitedPoints:
    """The points that a study's trials must not repeat.

    These are the points of the trials that have not failed, be they finished, running or queued, or
    are infeasible, and those at which `max_failures` trials have failed. Parameters are as samplers
    see them (`SearchSpace.as_sampled`).
    """

    def __init__(self, study: Study) -> None:
        self._space = study.current.space.as_sampled
        self._points = study.points
        self.max_failures = max_failures(study)
        # By number: whether the trial failed, and its point.
        self._by_number: dict[int, tuple[bool, Point]] = {}
        self._visits: Counter[Point] = Counter()
        self._failures: Counter[Point] = Counter()
        n = self._points.n_indexes
        # For a finite space, (2, n): the visits of each index, and the failures at it.
        self._by_index = None if n is None else np.zeros((2, n), dtype=np.int32)

    def __contains__(self, point: Point | None) -> bool:
        if point is None:
            return False
        return point in self._visits or self._failures[point] >= self.max_failures

    @property
    def n_left(self) -> int | None:
        """The number of unvisited points; None if the space is infinite."""
        return None if self._by_index is None else int(np.count_nonzero(self._are_left()))

    def n_left_at(self, fixed: Mapping[str, Any]) -> int | None:
        """Return the number of unvisited points with the fixed values; None as of `n_left`."""
        if self._by_index is None:
            return None
        return int(np.count_nonzero(self._are_left()[self._indexes(fixed)]))

    def _indexes(self, fixed: Mapping[str, Any]) -> np.ndarray:
        return self._points.indexes(self._space.to_internal(fixed))

    def _are_left(self) -> np.ndarray:
        visits, failures = self._by_index if self._by_index is not None else np.zeros((2, 0))
        left = (visits == 0) & (failures < self.max_failures)
        return left if self._points.allowed is None else left & self._points.allowed

    def point_of(self, params: Mapping[str, Any]) -> Point | None:
        """Return the point of these parameters, or None if one is missing."""
        return self._points.point(self._space.to_internal(params))

    def update(
        self, number: int, internal_params: Sequence[float | None], state: str, *, has_run: bool
    ) -> None:
        """Update the parameters and the state of the trial with this number."""
        before = self._by_number.pop(number, None)
        point, now = self._points.point(internal_params), None
        if point is not None and (state != "FAIL" or has_run):
            now = self._by_number[number] = (state == "FAIL", point)
        if now == before:
            return
        # A trial's point never changes, once it is complete.
        index = None if self._by_index is None else self._points.index(internal_params)
        for counted, n in ((before, -1), (now, 1)):
            if counted is None:
                continue
            is_failure, at = counted
            counts = self._failures if is_failure else self._visits
            counts[at] += n
            if not counts[at]:
                del counts[at]
            if self._by_index is not None:
                self._by_index[int(is_failure), index] += n

    def pick_other(
        self, fixed: Mapping[str, Any], drafts: Iterable[Mapping[str, Any]], seed: Any
    ) -> dict[str, Any] | None:
        """Pick a random unvisited point that has the fixed values and is not one of `drafts`.

        Returns:
            Its parameters; None if there is no such point, or the space is infinite.
        """
        if self._by_index is None:
            return None
        points = self._points
        left = self._indexes(fixed)
        left = left[self._are_left()[left]]
        others = [points.index(self._space.to_internal(params)) for params in drafts]
        drafted = {index for index in others if index is not None}
        left = np.setdiff1d(left, list(drafted), assume_unique=True)
        if not len(left):
            return None
        chosen = left[np.random.default_rng(seed).integers(len(left))]
        return self._space.to_external(points.params(int(chosen)))


def max_failures(study: Study) -> int:
    """Return how many trials may fail at a point before it counts as visited."""
    return study.max_retries + 1


def count_points(study: Study) -> int:
    """Return the number of points that a study's trials have visited."""
    arguments = {"study": study.id, "max_failures": max_failures(study)}
    row = row_of(_COUNT_POINTS, arguments)
    return int(row[0]) if row else 0


def has_point(study_id: int, points: Sequence[UUID], max_failures: int) -> bool:
    """Return whether one of these points was visited."""
    arguments = {"study": study_id, "points": list(points), "max_failures": max_failures}
    row = row_of(_HAS_POINT, arguments)
    return bool(row and row[0])

"""The points that the trials of a study have visited, for studies that avoid duplicates."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

import numpy as np

from optuna_bridge.points import Point
from studies.models import Study
from tuner_project.db.prepared import row_of

_COUNT_POINTS = """
SELECT count(DISTINCT params_hash) FROM trials_trial
 WHERE study_id = %(study)s AND state <> 'FAIL' AND params_hash IS NOT NULL
"""
_HAS_POINT = """
SELECT EXISTS (SELECT FROM trials_trial
 WHERE study_id = %(study)s AND state <> 'FAIL' AND params_hash = ANY(%(points)s))
"""


class VisitedPoints:
    """The points of a study's trials that have not failed: finished, running or queued ones."""

    def __init__(self, study: Study) -> None:
        self._space = study.space
        self._points = study.points
        self._by_number: dict[int, Point] = {}
        self._counts: Counter[Point] = Counter()
        n = self._points.n
        self._counts_by_index = None if n is None else np.zeros(n, dtype=np.int32)

    def __contains__(self, point: Point | None) -> bool:
        return point in self._counts

    @property
    def n_left(self) -> int | None:
        """The number of unvisited points; None if the space is infinite."""
        return None if self._points.n is None else self._points.n - len(self._counts)

    def point_of(self, params: Mapping[str, Any]) -> Point | None:
        """Return the point of these parameters, or None if one is missing."""
        return self._points.point(self._space.to_internal(params))

    def update(self, number: int, internal_params: Sequence[float | None], state: str) -> None:
        """Update the parameters and the state of the trial with this number."""
        before = self._by_number.pop(number, None)
        point = None if state == "FAIL" else self._points.point(internal_params)
        if point is not None:
            self._by_number[number] = point
        if point == before:
            return
        if self._counts_by_index is not None:
            # A trial's point never changes: either it is freed or, once complete, it is visited.
            self._counts_by_index[self._points.index(internal_params)] += -1 if before else 1
        for each, n in ((before, -1), (point, 1)):
            if each is not None:
                self._counts[each] += n
                if not self._counts[each]:
                    del self._counts[each]

    def pick_other(
        self, fixed: Mapping[str, Any], drafts: Iterable[Mapping[str, Any]], seed: Any
    ) -> dict[str, Any] | None:
        """Pick a random unvisited point that has the fixed values and is not one of `drafts`.

        Returns:
            Its parameters; None if there is no such point, or the space is infinite.
        """
        if self._counts_by_index is None:
            return None
        points = self._points
        left = points.indexes(self._space.to_internal(fixed))
        left = left[self._counts_by_index[left] == 0]
        others = [points.index(self._space.to_internal(params)) for params in drafts]
        left = np.setdiff1d(left, [index for index in others if index is not None])
        if not len(left):
            return None
        chosen = left[np.random.default_rng(seed).integers(len(left))]
        return self._space.to_external(points.params(int(chosen)))


def count_points(study_id: int) -> int:
    """Return the number of points visited by trials that have not failed."""
    row = row_of(_COUNT_POINTS, {"study": study_id})
    return int(row[0]) if row else 0


def has_point(study_id: int, points: Sequence[UUID]) -> bool:
    """Return whether one of these points was visited by a trial that has not failed."""
    row = row_of(_HAS_POINT, {"study": study_id, "points": list(points)})
    return bool(row and row[0])

"""Which points of a study that avoids duplicates are taken."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

import numpy as np

from studies.points import Point, Points, point_hash
from studies.search_space import SearchSpace
from tuner_project.prepared import row_of

_COUNT_POINTS = """
SELECT count(DISTINCT params_hash) FROM trials_trial
 WHERE study_id = %(study)s AND state <> 'FAIL' AND params_hash IS NOT NULL
"""
_HAS_POINT = """
SELECT EXISTS (SELECT FROM trials_trial
 WHERE study_id = %(study)s AND state <> 'FAIL' AND params_hash = ANY(%(points)s))
"""


class TakenPoints:
    """The points of the trials that are told, run or wait, and did not fail.

    `n_points` are the points of the space; None: endless.
    """

    def __init__(self, space: SearchSpace) -> None:
        self._space = space
        self._points = Points(space)
        self._by_number: dict[int, Point] = {}
        self._counts: Counter[Point] = Counter()
        self.n_points = self._points.n

    def __contains__(self, point: Point | None) -> bool:
        return point in self._counts

    @property
    def n_left(self) -> int | None:
        """How many points are left; None: endless."""
        return None if self.n_points is None else self.n_points - len(self._counts)

    def of(self, params: Mapping[str, Any]) -> Point | None:
        """The point of these parameters; None while one is missing."""
        return self._points.point(self._space.to_internal(params))

    def note(self, number: int, internal_params: Sequence[float | None], state: str) -> None:
        """Note how the trial of this number stands."""
        if (before := self._by_number.pop(number, None)) is not None:
            self._counts[before] -= 1
            if not self._counts[before]:
                del self._counts[before]
        point = None if state == "FAIL" else self._points.point(internal_params)
        if point is not None:
            self._by_number[number] = point
            self._counts[point] += 1

    def one_left(
        self, fixed: Mapping[str, Any], beside: Collection[Point | None], seed: Any
    ) -> dict[str, Any] | None:
        """The parameters of a point at random that has what is fixed and is not taken.

        None: there is none, or the space is endless. Costs time in proportion to the space.
        """
        if self.n_points is None:
            return None
        left = [
            params
            for params in map(self._space.to_external, self._points.others(beside, self._counts))
            if fixed.items() <= params.items()
        ]
        return left[np.random.default_rng(seed).integers(len(left))] if left else None


def hash_of(space: SearchSpace, internal_params: Sequence[float | None]) -> UUID | None:
    """What the database indexes a point by; None while a parameter is missing."""
    point = Points(space).point(internal_params)
    return None if point is None else point_hash(point)


def count_points(study_id: int) -> int:
    """How many points are told, running or queued."""
    row = row_of(_COUNT_POINTS, {"study": study_id})
    return int(row[0]) if row else 0


def has_point(study_id: int, points: Sequence[UUID]) -> bool:
    """Whether one of these points is told, running or queued."""
    row = row_of(_HAS_POINT, {"study": study_id, "points": list(points)})
    return bool(row and row[0])

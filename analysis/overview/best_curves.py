"""The best value over time of several studies, from a few of their trials."""

import math
from collections.abc import Sequence
from itertools import accumulate

from optuna_bridge.enums import Direction
from studies.models import Study
from tuner_project.db.prepared import rows_of

POINTS = 60  # trials of a study that are read

# Evenly spaced numbers, each found by the unique index on numbers.
_SAMPLE = """
SELECT s.id, t.number, CASE WHEN s.repeats IS NULL THEN t.values[1] ELSE t.group_values[1] END
  FROM studies_study AS s,
       LATERAL (SELECT DISTINCT round(i * (s.next_number - 1)::numeric / %(last)s::int)::int
                  FROM generate_series(0, %(last)s::int) AS i) AS chosen (number)
  JOIN trials_trial AS t ON t.number = chosen.number
 WHERE t.study_id = s.id AND s.id = ANY(%(studies)s::int[])
   AND CASE WHEN s.repeats IS NULL THEN t.state = 'COMPLETE' AND t.violation = 0
            ELSE t.group_state = 'COMPLETE' AND t.group_violation = 0 END
 ORDER BY s.id, t.number
"""
Curve = list[tuple[int, float]]  # a trial's number, and the best value up to it


def best_curves(studies: Sequence[Study]) -> dict[int, Curve]:
    """Return the curve of each study with one objective, by its id, in one statement.

    The trials are evenly spaced, and the study's best one is among them.
    """
    single = {study.id: study for study in studies if not study.is_multi_objective}
    found: dict[int, Curve] = {key: [] for key in single}
    for study_id, number, value in rows_of(_SAMPLE, {"studies": list(single), "last": POINTS - 1}):
        found[study_id].append((number, value))
    return {key: _curve(single[key], points) for key, points in found.items()}


def _curve(study: Study, points: Curve) -> Curve:
    if study.best_number is not None and study.best_values is not None:
        points = sorted({*points, (study.best_number, study.best_values[0])})
    points = [(number, value) for number, value in points if math.isfinite(value)]
    better = min if study.directions[0] == Direction.MINIMIZE else max
    best = accumulate((value for _, value in points), better)
    return [(number, value) for (number, _), value in zip(points, best, strict=True)]

"""The statements that update a study's counts, and its best trial or Pareto front."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from studies.models import Study
from trials.models.improvement import Improvement
from trials.models.statements.counts import count_assignments
from trials.models.statements.failure_streak import FailureStreak
from tuner_project.db.prepared import row_of, run

# Updates a study's counters and its best trial, and takes trials off the front.
_UPDATE_COUNTERS_AND_FRONT = """
WITH front AS MATERIALIZED (
    SELECT id, number, coalesce(group_values, values) AS values, internal_params
      FROM trials_trial
     WHERE study_id = %(study)s AND on_front
), beaten AS (
    UPDATE trials_trial SET on_front = false
     WHERE study_id = %(study)s AND on_front AND id = ANY(ARRAY({beaten}))
    RETURNING id
), best AS (
    SELECT * FROM front WHERE id NOT IN (SELECT id FROM beaten) ORDER BY number LIMIT 1
)
UPDATE studies_study
   SET best_number = best.number, best_values = best.values,
       best_internal_params = best.internal_params, {counts} {news} {rest}
  FROM best WHERE studies_study.id = %(study)s
"""
# A trial is on the front while no other beats it: by being at least as good in every objective
# and better in one or, with one objective, by being as good and earlier. Only pairs that include a
# new trial are compared.
_BEATEN = """
WITH new AS MATERIALIZED (
    SELECT * FROM front WHERE id = ANY(%(new)s)
), pairs AS (
    SELECT a.values AS a_values, a.number AS a_number, b.id, b.values, b.number
      FROM new AS a JOIN front AS b ON a.id <> b.id
    UNION ALL
    SELECT a.values, a.number, b.id, b.values, b.number
      FROM front AS a JOIN new AS b ON a.id <> b.id
)
SELECT id FROM pairs
 WHERE CASE WHEN a_values = values THEN cardinality(values) = 1 AND a_number < number
       ELSE NOT EXISTS (
           SELECT FROM unnest(a_values, values, %(signs)s::float8[]) AS v(a, b, sign)
            WHERE v.a * v.sign > v.b * v.sign)
       END
"""
_NEWS = """
front_revision = CASE
    WHEN EXISTS (SELECT FROM front WHERE id = ANY(%(new)s) AND id NOT IN (SELECT id FROM beaten))
    THEN %(revision)s ELSE front_revision END,
"""
_KNOWN_BEATEN = "SELECT unnest(%(beaten)s::int[])"
# The best trial of one objective, or the first one on the front, among all trials.
_RESTORE_FRONT = """
WITH best AS (
    SELECT id, number, {values} AS values, internal_params FROM trials_trial
     WHERE study_id = %(study)s AND {state} = 'COMPLETE' AND {violation} = 0
       AND (on_front OR id = ANY(%(released)s) OR cardinality({values}) = 1)
     ORDER BY CASE WHEN cardinality({values}) = 1 THEN {values}[1] * %(sign)s END, number LIMIT 1
), new AS (
    UPDATE trials_trial SET on_front = true
     WHERE id = ANY(%(released)s) OR id IN (SELECT id FROM best)
)
UPDATE studies_study
   SET (best_number, best_values, best_internal_params)
     = (SELECT number, values, internal_params FROM best) {news}
 WHERE id = %(study)s
RETURNING best_number, best_values, best_internal_params
"""
_CLEAR_FRONT = "UPDATE trials_trial SET on_front = false WHERE study_id = %(study)s AND on_front"
_UPDATE_COUNTERS = "UPDATE studies_study SET {counts} {rest} WHERE id = %(study)s"
_IMPROVEMENT = (
    "n_without_improvement = %(n_without)s::int4, improvement_reference = %(reference)s::float8, "
)
# If no trial is running after the change, there is no lease.
_REST = (
    "{streak}{improvement}revision = %(revision)s, "
    "next_lease_expiry = CASE WHEN n_running + {running:d} > 0 THEN "
    "least(next_lease_expiry, %(until)s::timestamptz) END"
)


def update_counters_and_front(
    study: Study,
    moves: Mapping[str, int],
    new: Sequence[int],
    beaten: Sequence[int] | None,
    until: datetime | None,
    streak: FailureStreak,
    improvement: Improvement | None = None,
    *,
    is_news: bool = True,
) -> None:
    """Update the study's counts, and its best trial or Pareto front.

    `moves` are the changes of the counts, `new` the ids of trials that may be on the front,
    `beaten` of those that no longer are, or None to compare them here, `until` is the earliest
    expiry of the changed trials' leases, `streak` the trials that ended, `improvement` what the
    study stores of its budget then, and `is_news` says whether the results are new, or imported.
    """
    arguments: dict[str, Any] = {"study": study.id, "revision": study.revision, "until": until}
    arguments["new"] = list(new)
    if beaten is None:
        arguments["signs"] = study.signs
    else:
        arguments["beaten"] = list(beaten)
    if improvement is not None:
        arguments |= {"n_without": improvement.n_without, "reference": improvement.reference}
    statement = _UPDATE_COUNTERS_AND_FRONT if new else _UPDATE_COUNTERS
    rest = _REST.format(
        running=moves.get("RUNNING", 0),
        streak=streak.assignment,
        improvement="" if improvement is None else _IMPROVEMENT,
    )
    sql = _BEATEN if beaten is None else _KNOWN_BEATEN
    parts = {"counts": count_assignments(moves), "news": _NEWS if is_news else "", "rest": rest}
    run(statement.format(beaten=sql, **parts), arguments)


def restore_front(study: Study, released: Sequence[int], *, is_news: bool = True) -> None:
    """Find the study's best trial again, and put the trials with these ids onto the front."""
    arguments = {"study": study.id, "released": list(released), "sign": study.signs[0]}
    group = "" if study.repeats is None else "group_"
    columns = {name: f"{group}{name}" for name in ("values", "state", "violation")}
    news = ", front_revision = revision" if is_news else ""
    best = row_of(_RESTORE_FRONT.format(news=news, **columns), arguments)
    study.best_number, study.best_values, study.best_internal_params = best or (None, None, None)


def clear_front(study: Study) -> None:
    """Take all trials off the front."""
    run(_CLEAR_FRONT, {"study": study.id})

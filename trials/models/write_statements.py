"""The SQL statements that write trials; only `Trial.objects` runs them.

Rows are passed as one JSON document, so that any number of rows uses one statement and one plan.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import cache
from operator import attrgetter
from typing import Any

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models

from studies.models import COUNTERS, Study
from trials.models.abstract_trial import AbstractTrial
from trials.models.failure_streak import FailureStreak
from trials.models.improvement import Improvement
from trials.models.leases import Lease
from trials.models.reservation import Reservation
from tuner_project.db.prepared import row_of, run, send
from tuner_project.db.statements import Sent
from tuner_project.json_values import finite_or_text

# The columns that an ending or a report changes. The start of a WAITING trial also changes those
# in _STARTED.
_CHANGEABLE = (
    "state",
    "values",
    "datetime_complete",
    "reason",
    "constraints",
    "violation",
    "lease_expires_at",
    "seen_at",
    "reoffers",
    "should_prune",
    "is_retry_wanted",
    "infeasible",
    "retried_as",
    "cancelled_retry",
    "user_attrs",
    "system_attrs",
    "on_front",
    "revision",
)
_STARTED = (
    "internal_params",
    "params_hash",
    "datetime_start",
    "worker_id",
    "token",
    "lease_seconds",
    "study_attrs",
    "retry_of",
    "space_version",
    *_CHANGEABLE,
)
_COLUMNS = ("id", "study_id", "number", "priority", "attempt", *_STARTED)
# Of a study with repeats, in addition.
_OF_GROUP = ("group_state", "group_values", "group_constraints", "group_violation")
_OF_REPEAT = ("repeat_group", "repeat_index", *_OF_GROUP)

_INSERT = (
    "INSERT INTO trials_trial ({columns}) SELECT {columns} "
    "FROM json_populate_recordset(NULL::trials_trial, %(rows)s)"
)
# The LIMIT tells the planner the number of rows: otherwise it expects a hundred, and keeps a plan
# that reads the whole table.
_UPDATE = (
    "UPDATE trials_trial AS t SET {changes} "
    "FROM (SELECT * FROM json_populate_recordset(NULL::trials_trial, %(rows)s) LIMIT {n:d}) AS n "
    "WHERE t.id = n.id"
)
# A heartbeat, which locks only the trial's row, may have renewed the lease meanwhile.
_LEASE_NOW = (
    "CASE WHEN t.state = 'RUNNING' AND n.state = 'RUNNING' "
    "THEN greatest(t.lease_expires_at, n.lease_expires_at) ELSE n.lease_expires_at END"
)
_INSERT_STEPS = (
    "INSERT INTO trials_intermediatevalue (trial_id, step, value) SELECT trial_id, step, value "
    "FROM json_populate_recordset(NULL::trials_intermediatevalue, %(steps)s)"
)
_UPSERT_STEPS = _INSERT_STEPS + " ON CONFLICT (trial_id, step) DO UPDATE SET value = excluded.value"

# The number of trials is a literal: for a parameter the planner would expect a thousand rows, and
# plan the statement again at each execution.
_TAKE_NUMBERS = """
UPDATE studies_study
   SET {counts} next_number = next_number + {n:d}, revision = revision + 1
 WHERE id = %(study)s {room}
RETURNING next_number - {n:d}, revision,
          (SELECT array_agg(nextval('optuna.trials_trial_id_seq'))
             FROM generate_series(1, {n:d})),
          clock_timestamp(), {lease}, max_trial_seconds
"""
# The conditions under which an ask needs no further checks of the study.
_ROOM = """
   AND search_space_version = %(version)s
   AND state = 'ACTIVE'
   AND coalesce(next_number - n_fail + n_infeasible + {n:d} <= max_trials, true)
   AND coalesce(n_running + {started:d} <= max_concurrent, true)
   AND coalesce(deadline > statement_timestamp(), true)
   AND coalesce(next_lease_expiry > statement_timestamp(), true)
"""
_NO_QUEUE = " AND n_waiting = 0"
_ROOM_LEFT = " AND next_number + {n:d} <= {most:d}"
_START = """
    n_running = n_running + {started:d}, {waiting}
    next_lease_expiry = least(
        next_lease_expiry, statement_timestamp() + make_interval(secs => {lease}),
        statement_timestamp() + make_interval(secs => max_trial_seconds)),
"""

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
       best_internal_params = best.internal_params, {counts} {rest}
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
     = (SELECT number, values, internal_params FROM best)
 WHERE id = %(study)s
RETURNING best_number, best_values, best_internal_params
"""
_CLEAR_FRONT = "UPDATE trials_trial SET on_front = false WHERE study_id = %(study)s AND on_front"
_REMOVE_STUDY_ATTRS = """
UPDATE trials_trial
   SET study_attrs = (SELECT json_object_agg(a.key, a.value)
                        FROM json_each(study_attrs) AS a WHERE a.key <> ALL(%(keys)s))
 WHERE study_id = %(study)s AND study_attrs IS NOT NULL
   AND EXISTS (SELECT FROM json_object_keys(study_attrs) AS k WHERE k = ANY(%(keys)s))
"""
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


def reserve(study_id: int, moves: Mapping[str, int], n: int) -> Reservation | None:
    """Reserve n new trials that add `moves` to the study's counts; None if there is no study."""
    sent = _take_numbers({"study": study_id}, n=n, counts=_counts(moves), room="", lease="NULL")
    return sent.first()


def send_reserve_running(
    study: Study, n: int, lease: Lease, *, n_waiting: int = 0, passes_queue: bool = False
) -> Sent[Reservation]:
    """Reserve n trials to start; no result if the study has no room, or needs further checks.

    It needs them, too, if it has another version of its search space by now. `n_waiting` more are
    reserved to wait. A queue needs further checks, unless `passes_queue` says that they were made.
    """
    every = n + n_waiting
    waiting = f"n_waiting = n_waiting + {n_waiting:d}, " if n_waiting else ""
    most: int = settings.MAX_TRIALS_PER_STUDY
    length = "lease_seconds" if lease.is_studys else "%(lease)s::float8"
    return _take_numbers(
        {"study": study.id, "lease": lease.seconds, "version": study.search_space_version},
        n=every,
        counts=_START.format(started=n, waiting=waiting, lease=length),
        room=_ROOM.format(n=every, started=n)
        + ("" if passes_queue else _NO_QUEUE)
        + (_ROOM_LEFT.format(n=every, most=most) if most else ""),
        lease=length,
    )


def _take_numbers(arguments: Mapping[str, Any], **parts: Any) -> Sent[Reservation]:
    return send(_TAKE_NUMBERS.format(**parts), arguments, lambda row: Reservation(*row))


def insert(trials: Sequence[AbstractTrial]) -> None:
    """Insert trials."""
    are_repeats = any(trial.repeat_group is not None for trial in trials)
    columns = (*_COLUMNS, *_OF_REPEAT) if are_repeats else _COLUMNS
    run(_INSERT.format(columns=", ".join(columns)), {"rows": _rows(trials, columns)})


def insert_steps(steps: Sequence[tuple[AbstractTrial, int, float]]) -> None:
    """Insert intermediate values: (trial, step, value)."""
    if steps:
        run(_INSERT_STEPS, {"steps": _step_rows(steps)})


def update(
    trials: Sequence[AbstractTrial],
    steps: Sequence[tuple[AbstractTrial, int, float]],
    are_started: bool,
) -> None:
    """Store the changes of trials, and their new or replaced (trial, step, value)."""
    columns = _STARTED if are_started else _CHANGEABLE
    news = {name: f"n.{name}" for name in columns} | {"lease_expires_at": _LEASE_NOW}
    changes = ", ".join(f"{name} = {new}" for name, new in news.items())
    statement = _UPDATE.format(changes=changes, n=len(trials))
    arguments = {"rows": _rows(trials, ("id", *columns))}
    if steps:
        statement = f"WITH new_steps AS ({_UPSERT_STEPS}) {statement}"
        arguments["steps"] = _step_rows(steps)
    run(statement, arguments)


def update_groups(leaders: Sequence[AbstractTrial]) -> None:
    """Store the results of groups, which are set on their first trials."""
    columns = (*_OF_GROUP, "on_front", "revision")
    changes = ", ".join(f"{name} = n.{name}" for name in columns)
    rows = _rows(leaders, ("id", *columns))
    run(_UPDATE.format(changes=changes, n=len(leaders)), {"rows": rows})


def update_study_attrs(attrs: Mapping[int, Mapping[str, Any]]) -> None:
    """Store attributes that samplers set on the study, by the id of the trial that was drawn."""
    rows = [{"id": trial_id, "study_attrs": dict(each)} for trial_id, each in attrs.items()]
    statement = _UPDATE.format(changes="study_attrs = n.study_attrs", n=len(rows))
    run(statement, {"rows": json.dumps(rows)})


def update_counters_and_front(
    study: Study,
    moves: Mapping[str, int],
    new: Sequence[int],
    beaten: Sequence[int] | None,
    until: datetime | None,
    streak: FailureStreak,
    improvement: Improvement | None = None,
) -> None:
    """Update the study's counts, and its best trial or Pareto front.

    `moves` are the changes of the counts, `new` the ids of trials that may be on the front,
    `beaten` of those that no longer are, or None to compare them here, `until` is the earliest
    expiry of the changed trials' leases, `streak` the trials that ended, and `improvement` what the
    study stores of its budget then.
    """
    arguments: dict[str, Any] = {"study": study.id, "revision": study.revision, "until": until}
    if beaten is None:
        arguments |= {"new": list(new), "signs": study.signs}
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
    run(statement.format(counts=_counts(moves), rest=rest, beaten=sql), arguments)


def restore_front(study: Study, released: Sequence[int]) -> None:
    """Find the study's best trial again, and put the trials with these ids onto the front."""
    arguments = {"study": study.id, "released": list(released), "sign": study.signs[0]}
    group = "" if study.repeats is None else "group_"
    columns = {name: f"{group}{name}" for name in ("values", "state", "violation")}
    best = row_of(_RESTORE_FRONT.format(**columns), arguments)
    study.best_number, study.best_values, study.best_internal_params = best or (None, None, None)


def clear_front(study: Study) -> None:
    """Take all trials off the front."""
    run(_CLEAR_FRONT, {"study": study.id})


def remove_study_attrs(study_id: int, keys: Sequence[str]) -> None:
    """Remove attributes that samplers set on the study, from all its trials."""
    run(_REMOVE_STUDY_ATTRS, {"study": study_id, "keys": list(keys)})


def _counts(moves: Mapping[str, int]) -> str:
    """Return SQL assignments that add to the study's counts, each followed by a comma."""
    fields = {COUNTERS[what]: n for what, n in moves.items()}
    return "".join(f"{field} = {field} + {n:d}, " for field, n in fields.items())


def _rows(trials: Sequence[AbstractTrial], columns: tuple[str, ...]) -> str:
    read, converted = attrgetter(*columns), _converted(columns)
    rows = []
    for trial in trials:
        row = dict(zip(columns, read(trial), strict=True))
        for column, convert in converted:
            if (value := row[column]) is not None:
                row[column] = convert(value)
        rows.append(row)
    return json.dumps(rows)


@cache
def _converted(columns: tuple[str, ...]) -> list[tuple[str, Callable[[Any], Any]]]:
    """Return those of the columns whose values JSON does not have, and how they are converted."""
    kinds = {column: type(AbstractTrial._meta.get_field(column)) for column in columns}
    return [(column, _CONVERTERS[kind]) for column, kind in kinds.items() if kind in _CONVERTERS]


def _step_rows(steps: Sequence[tuple[AbstractTrial, int, float]]) -> str:
    return json.dumps(
        [
            {"trial_id": trial.id, "step": step, "value": finite_or_text(v)}
            for trial, step, v in steps
        ]
    )


def _finite_or_texts(values: Sequence[float | None]) -> list[float | str | None]:
    return [None if each is None else finite_or_text(each) for each in values]


_CONVERTERS: dict[type, Callable[[Any], Any]] = {
    models.DateTimeField: datetime.isoformat,
    models.UUIDField: str,
    models.FloatField: finite_or_text,
    ArrayField: _finite_or_texts,
}

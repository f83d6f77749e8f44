"""The statements by which trials are written. `Trial.objects` is the one that runs them.

Rows travel as one JSON document: any number of them is one statement with one plan.
"""

import json
import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from studies.models import TALLIES, Study
from tuner_project.prepared import prepared_cursor

if TYPE_CHECKING:
    from trials.models import Trial

_CHANGEABLE = (
    "state",
    "values",
    "datetime_start",
    "datetime_complete",
    "user_attrs",
    "system_attrs",
    "on_front",
    "revision",
)
_COLUMNS = ("id", "study_id", "number", "internal_params", "study_attrs", *_CHANGEABLE)

_INSERT = (
    f"INSERT INTO trials_trial ({', '.join(_COLUMNS)}) SELECT {', '.join(_COLUMNS)} "
    "FROM json_populate_recordset(NULL::trials_trial, %(rows)s)"
)
# The limit tells the planner how many rows there are: it would expect a hundred, and keep a plan
# that reads the whole table.
_UPDATE = (
    f"UPDATE trials_trial AS t SET {', '.join(f'{name} = n.{name}' for name in _CHANGEABLE)} "
    "FROM (SELECT * FROM json_populate_recordset(NULL::trials_trial, %(rows)s) LIMIT {n:d}) AS n "
    "WHERE t.id = n.id"
)
_INSERT_STEPS = (
    "INSERT INTO trials_intermediatevalue (trial_id, step, value) SELECT trial_id, step, value "
    "FROM json_populate_recordset(NULL::trials_intermediatevalue, %(rows)s)"
)

_RESERVE = """
UPDATE studies_study
   SET next_number = next_number + %(n)s, revision = revision + 1, {tallies}
 WHERE id = %(study)s
RETURNING next_number - %(n)s, revision,
          (SELECT array_agg(nextval('optuna.trials_trial_id_seq'))
             FROM generate_series(1, %(n)s)),
          statement_timestamp()
"""

# A trial is on the front while no other beats it: by being at least as good in every objective
# and better in one or, with one objective, by being as good and earlier. Only pairs with a new
# trial need a look.
_SETTLE_FRONT = """
WITH front AS MATERIALIZED (
    SELECT id, number, values, internal_params FROM trials_trial
     WHERE study_id = %(study)s AND on_front
), new AS MATERIALIZED (
    SELECT * FROM front WHERE id = ANY(%(new)s)
), pairs AS (
    SELECT a.values AS a_values, a.number AS a_number, b.id, b.values, b.number
      FROM new AS a JOIN front AS b ON a.id <> b.id
    UNION ALL
    SELECT a.values, a.number, b.id, b.values, b.number
      FROM front AS a JOIN new AS b ON a.id <> b.id
), beaten AS (
    UPDATE trials_trial SET on_front = false
     WHERE study_id = %(study)s AND on_front AND id = ANY(ARRAY(
        SELECT id FROM pairs
         WHERE CASE WHEN a_values = values THEN cardinality(values) = 1 AND a_number < number
               ELSE NOT EXISTS (
                   SELECT FROM unnest(a_values, values, %(signs)s::float8[]) AS v(a, b, sign)
                    WHERE v.a * v.sign > v.b * v.sign)
               END))
    RETURNING id
), best AS (
    SELECT * FROM front WHERE id NOT IN (SELECT id FROM beaten) ORDER BY number LIMIT 1
)
UPDATE studies_study
   SET best_number = best.number, best_values = best.values,
       best_internal_params = best.internal_params, revision = %(revision)s, {tallies}
  FROM best WHERE studies_study.id = %(study)s
"""
_SETTLE = "UPDATE studies_study SET revision = %(revision)s, {tallies} WHERE id = %(study)s"


def reserve(study_id: int, states: Mapping[str, int]) -> tuple[Any, ...] | None:
    """The first number, the revision, the ids and the time of new trials; None: no such study."""
    statement = _RESERVE.format(tallies=_tallies(states))
    with prepared_cursor() as cursor:
        cursor.execute(statement, {"study": study_id, "n": sum(states.values())})
        return cursor.fetchone()


def insert(trials: Sequence["Trial"]) -> None:
    _execute(_INSERT, [_row(trial, _COLUMNS) for trial in trials])


def update(trials: Sequence["Trial"]) -> None:
    """Store what may change on trials."""
    _execute(_UPDATE.format(n=len(trials)), [_row(trial, ("id", *_CHANGEABLE)) for trial in trials])


def insert_steps(steps: Sequence[tuple["Trial", int, float]]) -> None:
    if steps:
        rows = [{"trial_id": t.id, "step": step, "value": _number(v)} for t, step, v in steps]
        _execute(_INSERT_STEPS, rows)


def settle(study: Study, revision: int, moves: Mapping[str, int], new: Sequence[int]) -> None:
    """Bring the study's tallies, and its best trial or front, up to date.

    `moves` are the tallies' changes by state, and `new` the ids of trials that may be on the front.
    """
    arguments: dict[str, Any] = {"study": study.id, "revision": revision}
    if new:
        signs = [1 if each == "minimize" else -1 for each in study.directions]
        arguments |= {"new": list(new), "signs": signs}
    statement = _SETTLE_FRONT if new else _SETTLE
    with prepared_cursor() as cursor:
        cursor.execute(statement.format(tallies=_tallies(moves)), arguments)


def _tallies(moves: Mapping[str, int]) -> str:
    """SQL that adds to the study's count of each state."""
    return ", ".join(f"{TALLIES[state]} = {TALLIES[state]} + {n:d}" for state, n in moves.items())


def _row(trial: "Trial", columns: Sequence[str]) -> dict[str, Any]:
    return {column: _column(getattr(trial, column)) for column in columns}


def _column(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, list):  # of floats
        return [_number(each) for each in value]
    return value


def _number(value: float | None) -> float | str | None:
    """A float as JSON and PostgreSQL both read it: what is not finite is a text."""
    return value if value is None or math.isfinite(value) else str(value)


def _execute(statement: str, rows: Sequence[Mapping[str, Any]]) -> None:
    with prepared_cursor() as cursor:
        cursor.execute(statement, {"rows": json.dumps(rows)})

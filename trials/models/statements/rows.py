"""The statements that write the rows of trials.

Rows are passed as one JSON document, so that any number of rows uses one statement and one plan.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import cache
from operator import attrgetter
from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.db import models

from trials.models.abstract_trial import AbstractTrial
from tuner_project.db.prepared import run
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
_REMOVE_STUDY_ATTRS = """
UPDATE trials_trial
   SET study_attrs = (SELECT json_object_agg(a.key, a.value)
                        FROM json_each(study_attrs) AS a WHERE a.key <> ALL(%(keys)s))
 WHERE study_id = %(study)s AND study_attrs IS NOT NULL
   AND EXISTS (SELECT FROM json_object_keys(study_attrs) AS k WHERE k = ANY(%(keys)s))
"""


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


def remove_study_attrs(study_id: int, keys: Sequence[str]) -> None:
    """Remove attributes that samplers set on the study, from all its trials."""
    run(_REMOVE_STUDY_ATTRS, {"study": study_id, "keys": list(keys)})


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

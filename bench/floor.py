"""The floor: the rows of a trial's ask and tell, written by a bare loop of psycopg.

The rows are those of a trial that the service has written, in whatever way: what is in both schemas
after its ask, and what its tell has changed and added. All trials of the floor are copies of it.

An ask and a tell are a transaction of two pipelines each, of prepared statements: the first locks
the study, and returns the id and the number of a new trial, or the trial as it is; the second
writes and commits. There is no HTTP and no sampler, nothing is checked, and the best trial stays.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

import psycopg

Row = dict[str, Any]
Rows = dict[str, list[Row]]  # by table

# The tables with rows of a trial, with the column of its id, in an order that foreign keys allow.
_TABLES = {
    "trials_trial": "id",
    "optuna.trials": "trial_id",
    "optuna.trial_params": "trial_id",
    "optuna.trial_system_attributes": "trial_id",
    "optuna.trial_values": "trial_id",
}
_AUDIT = "access_auditentry"
# Columns that the tables fill themselves.
_GENERATED = {
    "optuna.trial_params": "param_id",
    "optuna.trial_system_attributes": "trial_system_attribute_id",
    "optuna.trial_values": "trial_value_id",
    _AUDIT: "id",
}
_RESERVE = """
UPDATE studies_study
   SET next_number = next_number + 1, n_running = n_running + 1, revision = revision + 1
 WHERE id = %s
RETURNING nextval('optuna.trials_trial_id_seq'), next_number - 1
"""
_LOCK = "SELECT state, n_running, revision FROM studies_study WHERE id = %s FOR UPDATE"
_READ = "SELECT * FROM trials_trial WHERE id = %s"
_COUNT = """
UPDATE studies_study
   SET n_running = n_running - 1, n_complete = n_complete + 1, revision = revision + 1
 WHERE id = %s
"""


class Sample(NamedTuple):
    """The rows of a trial after its ask, and after its tell."""

    study: int
    asked: Rows
    told: Rows


def sample(url: str, ask: Callable[[], tuple[int, int]], tell: Callable[[int], object]) -> Sample:
    """Let the service write a trial to the database at `url`, and read its rows.

    Args:
        url: The service's database.
        ask: Returns the study's id and the trial's number.
        tell: Completes the trial with this number.
    """
    with psycopg.connect(url, autocommit=True) as connection:
        study, number = ask()
        asked = _rows(connection, study, number)
        tell(number)
        return Sample(study, asked, _rows(connection, study, number))


def _rows(connection: psycopg.Connection[Any], study: int, number: int) -> Rows:
    of_trial = "SELECT id FROM trials_trial WHERE study_id = %(study)s AND number = %(number)s"
    conditions = {table: f"{column} = ({of_trial})" for table, column in _TABLES.items()}
    conditions[_AUDIT] = "subject_id = %(study)s AND kind = 'trial' AND %(number)s = ANY(numbers)"
    rows = {}
    for table, condition in conditions.items():
        generated = _GENERATED.get(table)
        order = generated or _TABLES[table]
        select = f"SELECT to_jsonb(t) FROM {table} AS t WHERE {condition} ORDER BY {order}"  # noqa: S608
        found = connection.execute(select, {"study": study, "number": number})
        rows[table] = [_without(row, generated) for (row,) in found]
    return rows


def _without(row: Row, column: str | None) -> Row:
    return {name: value for name, value in row.items() if name != column}


class _Write(NamedTuple):
    """A prepared statement, and the rows that it writes."""

    statement: str
    rows: list[Row]

    def document(self, trial: int, number: int) -> str:
        """The rows as JSON, as those of another trial."""
        own = {"id": trial, "trial_id": trial, "number": number, "numbers": [number]}
        return json.dumps([_replaced(row, own) for row in self.rows])


def _replaced(row: Row, own: Row) -> Row:
    return row | {name: value for name, value in own.items() if name in row}


def _insert(table: str, rows: list[Row]) -> _Write:
    columns = ", ".join(f'"{name}"' for name in rows[0])
    source = f"json_populate_recordset(NULL::{table}, %s)"
    return _Write(f"INSERT INTO {table} ({columns}) SELECT {columns} FROM {source}", rows)  # noqa: S608


def _update(table: str, rows: list[Row], changed: Sequence[str]) -> _Write:
    key = _TABLES[table]
    changes = ", ".join(f'"{name}" = n."{name}"' for name in changed)
    source = f"json_populate_recordset(NULL::{table}, %s) AS n"
    return _Write(f"UPDATE {table} AS t SET {changes} FROM {source} WHERE t.{key} = n.{key}", rows)  # noqa: S608


def _changes(sampled: Sample) -> Iterator[_Write]:
    """Yield what the tell has changed in rows of the ask, and the rows that it has added."""
    for table, told in sampled.told.items():
        asked = sampled.asked[table]
        if not asked and told:
            yield _insert(table, told)
        changed = {
            name
            for before, after in zip(asked, told, strict=False)
            for name in after
            if after[name] != before[name]
        }
        if changed:
            yield _update(table, told, sorted(changed))


class Floor:
    """Writes the sample's rows again and again, for new trials of its study."""

    def __init__(self, url: str, sampled: Sample) -> None:
        self._connection = psycopg.connect(url, autocommit=True)
        self._study = sampled.study
        self._asked = [_insert(table, rows) for table, rows in sampled.asked.items() if rows]
        self._told = list(_changes(sampled))

    def ask(self) -> Callable[[], None]:
        """Write a new trial's rows, and return its tell."""
        with self._connection.pipeline():
            self._run("BEGIN")
            reserved = self._run(_RESERVE, self._study)
        trial, number = reserved.fetchone() or (0, 0)
        with self._connection.pipeline():
            self._write(self._asked, trial, number)
            self._run("COMMIT")
        return partial(self._tell, trial, number)

    def close(self) -> None:
        self._connection.close()

    def _tell(self, trial: int, number: int) -> None:
        with self._connection.pipeline():
            self._run("BEGIN")
            self._run(_LOCK, self._study)
            self._run(_READ, trial)
        with self._connection.pipeline():
            self._write(self._told, trial, number)
            self._run(_COUNT, self._study)
            self._run("COMMIT")

    def _write(self, writes: Sequence[_Write], trial: int, number: int) -> None:
        for write in writes:
            self._run(write.statement, write.document(trial, number))

    def _run(self, statement: str, *arguments: Any) -> psycopg.Cursor[Any]:
        return self._connection.execute(statement, arguments, prepare=True)

"""Comparison of Django's rows with Optuna's, and repair of Optuna's."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from django.db import connection, transaction

from optuna_bridge.storage import SCHEMA
from optuna_bridge.storage.projected_table import delete_study_rows
from studies.models import NamedStudy, Study
from studies.projection import STUDY_TABLES
from trials.projection.trial_rows import TRIAL_TABLES
from tuner_project.db.database import lift_statement_timeout


@dataclass(frozen=True)
class Difference:
    """A row that only one side has."""

    study: str
    table: str
    side: str
    row: str

    def __str__(self) -> str:
        return f'study "{self.study}": {self.table}: only in {self.side}: {self.row}'


_TALLIES = """
SELECT 'Django', format('tallies %%s, counted %%s', tallied, counted)
  FROM (SELECT ARRAY[s.next_number, s.n_waiting, s.n_running, s.n_complete, s.n_pruned, s.n_fail,
                     s.n_failures, s.n_infeasible] AS tallied,
               (SELECT ARRAY[count(*),
                             count(*) FILTER (WHERE state = 'WAITING'),
                             count(*) FILTER (WHERE state = 'RUNNING'),
                             count(*) FILTER (WHERE state = 'COMPLETE'),
                             count(*) FILTER (WHERE state = 'PRUNED'),
                             count(*) FILTER (WHERE state = 'FAIL'),
                             count(*) FILTER (WHERE state = 'FAIL' AND retried_as IS NULL
                                              AND datetime_start IS NOT NULL AND NOT infeasible),
                             count(*) FILTER (WHERE infeasible)]::int[]
                  FROM trials_trial WHERE study_id = s.id) AS counted
          FROM studies_study AS s WHERE s.id = %(study)s) AS both_counts
 WHERE tallied <> counted
"""


@contextmanager
def snapshot(*, mode: str = "READ ONLY") -> Iterator[None]:
    """Open a transaction that sees one snapshot of both schemas, and its own writes.

    Raises:
        RuntimeError: another transaction is open, whose isolation level can no longer be changed.
    """
    is_outermost = not connection.in_atomic_block
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        if is_outermost:  # otherwise within the transaction of a test
            cursor.execute(f"SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, {mode}")
        lift_statement_timeout()
        yield


def differences(study: Study) -> Iterator[Difference]:
    """Yield each row of a study that only one side has."""
    checks = [(table.name, table.differences()) for table in (*STUDY_TABLES, *TRIAL_TABLES)]
    for table, statement in [*checks, ("studies_study", _TALLIES)]:
        with connection.cursor() as cursor:
            cursor.execute(statement, {"study": study.id})
            for side, row in cursor.fetchall():
                yield Difference(study.name, table, side, row)


def studies_only_in_optuna() -> list[str]:
    """Return the names of the studies in Optuna's schema that Django does not have."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT study_name FROM {SCHEMA}.studies "
            "WHERE study_id NOT IN (SELECT id FROM studies_study) ORDER BY study_id"
        )
        return [name for (name,) in cursor.fetchall()]


@transaction.atomic
def repair(*, named: NamedStudy) -> None:
    """Rebuild Optuna's rows of the named study from Django's."""
    study = named.locked()
    arguments = {"study": study.id}
    delete_study_rows(study.id)
    with connection.cursor() as cursor:
        for table in (*STUDY_TABLES, *TRIAL_TABLES):
            cursor.execute(table.insert(table.all_of_study), arguments)

"""The projection of Django's rows into Optuna's: each Optuna table as a query over our tables.

The same description is used to write the rows, to compare them and to rebuild them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from django.db import connection

from optuna_bridge.storage import SCHEMA


@dataclass(frozen=True)
class ProjectedTable:
    """One of Optuna's tables.

    Attributes:
        name: The table's name in the schema `optuna`.
        columns: The columns that `query` selects.
        key: The columns of the unique constraint.
        query: Selects the expected rows from Django's tables. Its placeholder `{where}` is the
            condition on the rows, on the alias s of a study or t of a trial.
        owned_by: The SQL condition under which Optuna's row `o` belongs to the study `%(study)s`.
    """

    name: str
    columns: Sequence[str]
    key: Sequence[str]
    query: str
    owned_by: str

    def insert(self, where: str) -> str:
        """Return SQL that inserts the missing rows."""
        return (
            f"INSERT INTO {SCHEMA}.{self.name} ({', '.join(self.columns)}) "
            f"{self.query.format(where=where)} ON CONFLICT ({', '.join(self.key)}) DO NOTHING"
        )

    def upsert(self, where: str) -> str:
        """Return SQL that inserts the missing rows and updates the others."""
        changing = [column for column in self.columns if column not in self.key]
        changes = ", ".join(f"{column} = excluded.{column}" for column in changing)
        return self.insert(where).removesuffix("DO NOTHING") + f"DO UPDATE SET {changes}"

    def delete(self) -> str:
        """Return SQL that deletes all rows of the study `%(study)s`."""
        return f"DELETE FROM {SCHEMA}.{self.name} AS o WHERE {self.owned_by}"

    def differences(self) -> str:
        """Return SQL for the rows of `%(study)s` that only one side has: (side, row as text)."""
        columns = ", ".join(self.columns)
        expected = f"SELECT * FROM ({self.query.format(where=self.all_of_study)}) AS expected"
        actual = f"SELECT {columns} FROM {SCHEMA}.{self.name} AS o WHERE {self.owned_by}"
        return (
            f"SELECT 'Django' AS side, d::text FROM ({expected} EXCEPT ALL {actual}) AS d "
            f"UNION ALL "
            f"SELECT 'Optuna', d::text FROM ({actual} EXCEPT ALL {expected}) AS d ORDER BY 2, 1"
        )

    @property
    def all_of_study(self) -> str:
        return "t.study_id = %(study)s" if "trials_trial" in self.query else "s.id = %(study)s"


OF_STUDY = "o.study_id = %(study)s"
OF_TRIALS = (
    f"o.trial_id IN (SELECT t.trial_id FROM {SCHEMA}.trials AS t WHERE t.study_id = %(study)s)"
)

_TABLES_OF_TRIALS = (
    "trial_heartbeats",
    "trial_intermediate_values",
    "trial_params",
    "trial_system_attributes",
    "trial_user_attributes",
    "trial_values",
)
_TABLES_OF_STUDIES = (
    "trials",
    "study_directions",
    "study_system_attributes",
    "study_user_attributes",
    "studies",
)


def delete_study_rows(study_id: int) -> None:
    """Delete all of Optuna's rows of a study, including those of its trials.

    This takes one statement for each table; Optuna's own deletion takes milliseconds a trial.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT coalesce(array_agg(o.trial_id), '{{}}') FROM {SCHEMA}.trials AS o "
            f"WHERE {OF_STUDY}",
            {"study": study_id},
        )
        trials = {"trials": cursor.fetchone()[0]}
        for table in _TABLES_OF_TRIALS:
            # By ids instead of a join with the trials: while the statistics are still those of
            # empty tables, a join is planned as a nested loop, which takes a minute at 10,000
            # trials.
            cursor.execute(f"DELETE FROM {SCHEMA}.{table} WHERE trial_id = ANY(%(trials)s)", trials)
        # The foreign key checks would reuse the plans that this database session made when the
        # tables were smaller: a sequential scan of each table for each trial.
        cursor.execute("DISCARD PLANS")
        for table in _TABLES_OF_STUDIES:
            cursor.execute(
                f"DELETE FROM {SCHEMA}.{table} AS o WHERE {OF_STUDY}",
                {"study": study_id},
            )

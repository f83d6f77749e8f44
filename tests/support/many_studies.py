"""Many studies by few statements."""

from django.db import connection


def copy_study(name: str, n: int) -> None:
    """Add n copies of a study with its trials, in Django's tables only."""
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE TEMPORARY TABLE copies ON COMMIT DROP AS "
            "SELECT s.* FROM studies_study AS s, generate_series(1, %s) WHERE name = %s",
            [n, name],
        )
        cursor.execute(
            "UPDATE copies SET id = nextval('optuna.studies_study_id_seq'), "
            "name = 'copy' || ctid::text"
        )
        cursor.execute("INSERT INTO studies_study SELECT * FROM copies")
        cursor.execute(
            "CREATE TEMPORARY TABLE copied_trials ON COMMIT DROP AS SELECT t.*, c.id AS copy "
            "FROM trials_trial AS t JOIN studies_study AS s ON s.id = t.study_id, copies AS c "
            "WHERE s.name = %s",
            [name],
        )
        cursor.execute(
            "UPDATE copied_trials SET id = nextval('optuna.trials_trial_id_seq'), study_id = copy"
        )
        cursor.execute("ALTER TABLE copied_trials DROP COLUMN copy")
        cursor.execute("INSERT INTO trials_trial SELECT * FROM copied_trials")
        cursor.execute("DROP TABLE copies, copied_trials")

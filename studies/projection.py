"""Projection of studies into Optuna's schema, as queries over Django's table of studies."""

from django.db import connection

from optuna_bridge.storage import SCHEMA
from optuna_bridge.storage.projected_table import OF_STUDY, ProjectedTable
from optuna_bridge.system_attrs import METRIC_NAMES

STUDY_TABLES = (
    ProjectedTable(
        "studies",
        ("study_id", "study_name"),
        ("study_id",),
        "SELECT s.id, s.name FROM studies_study AS s WHERE {where}",
        OF_STUDY,
    ),
    ProjectedTable(
        "study_directions",
        ("study_id", "objective", "direction"),
        ("study_id", "objective"),
        f"SELECT s.id, d.position::int - 1, upper(d.direction)::{SCHEMA}.studydirection "
        "FROM studies_study AS s, unnest(s.directions) WITH ORDINALITY AS d(direction, position) "
        "WHERE {where}",
        OF_STUDY,
    ),
    ProjectedTable(
        "study_user_attributes",
        ("study_id", "key", "value_json"),
        ("study_id", "key"),
        "SELECT s.id, a.key, a.value::text "
        "FROM studies_study AS s, json_each(s.user_attrs) AS a WHERE {where}",
        OF_STUDY,
    ),
    ProjectedTable(
        "study_system_attributes",
        ("study_id", "key", "value_json"),
        ("study_id", "key"),
        f"SELECT s.id, '{METRIC_NAMES}', s.metric_names::text "
        "FROM studies_study AS s WHERE s.metric_names IS NOT NULL AND {where}",
        f"{OF_STUDY} AND o.key = '{METRIC_NAMES}'",
    ),
)


def write_study_rows(study_id: int) -> None:
    """Update Optuna's rows of a study, except those of its trials."""
    arguments = {"study": study_id}
    studies, directions, *attributes = STUDY_TABLES
    with connection.cursor() as cursor:
        cursor.execute(studies.upsert("s.id = %(study)s"), arguments)
        cursor.execute(directions.upsert("s.id = %(study)s"), arguments)
        for table in attributes:
            cursor.execute(table.delete(), arguments)
            cursor.execute(table.insert("s.id = %(study)s"), arguments)

"""Optuna's tables in their schema: created by a migration, checked by readiness."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import optuna
from django.db import connection
from optuna.storages import RDBStorage

from optuna_bridge.storage import SCHEMA
from optuna_bridge.storage.dialect import URL, engine_kwargs

# The alembic revision of the schema that Optuna 5.0 creates and expects.
REVISION = "v3.2.0.a"


class SchemaMismatch(RuntimeError):
    """The database holds Optuna's tables in another version than this Optuna's."""


def create_optuna_schema(apps: Any, schema_editor: Any) -> None:
    """Create Optuna's tables as stock Optuna does, or leave those of the right version alone.

    Runs inside the migration's transaction: after a rollback nothing is left.
    """
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")
        if not has_tables(cursor):
            with unqualified_names(cursor):
                RDBStorage(URL, engine_kwargs=engine_kwargs())
        wrong = wrong_revision(cursor)
    if wrong:
        raise SchemaMismatch(wrong)


@contextmanager
def unqualified_names(cursor: Any) -> Iterator[None]:
    """Within a transaction: a block in which tables without a schema are those of Optuna's."""
    cursor.execute("SHOW search_path")
    search_path = cursor.fetchone()[0]
    cursor.execute(f"SET LOCAL search_path = {SCHEMA}")
    yield
    # Not after an error: the transaction takes no statement then, and its end takes the path back.
    cursor.execute("SELECT set_config('search_path', %s, true)", [search_path])


def has_tables(cursor: Any) -> bool:
    """Whether there are tables in Optuna's schema."""
    cursor.execute("SELECT EXISTS (SELECT FROM pg_tables WHERE schemaname = %s)", [SCHEMA])
    return bool(cursor.fetchone()[0])


def current_revision(cursor: Any) -> str | None:
    """The revision of Optuna's tables, None where there are none; one or two statements."""
    cursor.execute("SELECT to_regclass(%s)", [f"{SCHEMA}.alembic_version"])
    if cursor.fetchone()[0] is None:
        return None
    cursor.execute(f"SELECT version_num FROM {SCHEMA}.alembic_version")
    row = cursor.fetchone()
    return row[0] if row else None


def wrong_revision(cursor: Any) -> str | None:
    """What is wrong with the revision of Optuna's tables, if anything."""
    revision = current_revision(cursor)
    if revision == REVISION:
        return None
    return (
        f"schema {SCHEMA} holds Optuna's tables in revision {revision}, but Optuna "
        f"{optuna.__version__} needs {REVISION}: run manage.py migrate"
    )

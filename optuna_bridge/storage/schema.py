"""Optuna's tables in their schema: created by a migration, checked by the readiness endpoint."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import optuna
from django.conf import settings
from django.db import connection
from optuna.storages import RDBStorage

from optuna_bridge.storage import SCHEMA
from optuna_bridge.storage.dialect import URL, engine_kwargs

# The alembic revision of the schema that Optuna 5.0 creates and expects.
REVISION = "v3.2.0.a"


class SchemaMismatch(RuntimeError):
    """The revision of Optuna's tables is not the one that the installed Optuna needs."""


def create_optuna_schema(apps: Any, schema_editor: Any) -> None:
    """Create Optuna's tables by Optuna's own code, unless they exist in the needed revision.

    It runs inside the migration's transaction and is rolled back with it.

    Raises:
        SchemaMismatch: there are tables of another revision.
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
    """Resolve unqualified table names to Optuna's schema, within a block in a transaction."""
    cursor.execute("SHOW search_path")
    search_path = cursor.fetchone()[0]
    cursor.execute(f"SET LOCAL search_path = {SCHEMA}")
    yield
    # Not after an error: PostgreSQL then refuses statements, and the rollback restores the path.
    cursor.execute("SELECT set_config('search_path', %s, true)", [search_path])


def has_tables(cursor: Any) -> bool:
    """Return whether there are tables in Optuna's schema."""
    cursor.execute("SELECT EXISTS (SELECT FROM pg_tables WHERE schemaname = %s)", [SCHEMA])
    return bool(cursor.fetchone()[0])


def current_revision(cursor: Any) -> str | None:
    """Return the revision of Optuna's tables, or None if none is stored."""
    cursor.execute("SELECT to_regclass(%s)", [f"{SCHEMA}.alembic_version"])
    if cursor.fetchone()[0] is None:
        return None
    cursor.execute(f"SELECT version_num FROM {SCHEMA}.alembic_version")
    row = cursor.fetchone()
    return row[0] if row else None


def wrong_revision(cursor: Any) -> str | None:
    """Return an error message if Optuna's tables do not have the needed revision, else None."""
    revision = current_revision(cursor)
    if revision == REVISION:
        return None
    return (
        f"schema {SCHEMA} holds Optuna's tables in revision {revision}, but Optuna "
        f"{optuna.__version__} needs {REVISION}: run {settings.COMMAND} migrate"
    )

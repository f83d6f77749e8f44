"""The readiness check of Django's migrations."""

from functools import cache
from typing import Any

import psycopg
from django.db.migrations.loader import MigrationLoader


def missing_migration(cursor: psycopg.Cursor[Any]) -> str | None:
    """Return which migration this version needs and the database lacks, as a message, or None."""
    cursor.execute("SELECT to_regclass('django_migrations')")
    row = cursor.fetchone()
    if row is None or row[0] is None:
        return "the database has not been migrated: run manage.py migrate"
    cursor.execute("SELECT app, name FROM django_migrations")
    missing = sorted(_needed_migrations() - set(cursor.fetchall()))
    if not missing:
        return None
    return f"migration {'.'.join(missing[0])} is missing: run manage.py migrate"


@cache
def _needed_migrations() -> set[tuple[str, str]]:
    return set(MigrationLoader(None).disk_migrations or ())

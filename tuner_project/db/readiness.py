"""The check whether the database fits this version, of which Django's migrations are a part."""

from functools import cache
from typing import Any

import psycopg
from django.conf import settings
from django.db.migrations.loader import MigrationLoader

from tuner_project import extensions
from tuner_project.db.database import direct_cursor

TIMEOUT = 5  # seconds to connect


def reason_not_ready() -> str | None:
    """Return what this version needs and the database lacks; None if nothing, or it is away."""
    try:
        with direct_cursor(TIMEOUT) as cursor:
            return first_reason(cursor)
    except psycopg.Error:
        return None


def first_reason(cursor: psycopg.Cursor[Any]) -> str | None:
    """Return the first reason that the registered checks find, or None."""
    reasons = (check(cursor) for check in extensions.READINESS_CHECKS)
    return next((reason for reason in reasons if reason), None)


def missing_migration(cursor: psycopg.Cursor[Any]) -> str | None:
    """Return which migration this version needs and the database lacks, as a message, or None."""
    cursor.execute("SELECT to_regclass('django_migrations')")
    row = cursor.fetchone()
    if row is None or row[0] is None:
        return f"the database has not been migrated: run {settings.COMMAND} migrate"
    cursor.execute("SELECT app, name FROM django_migrations")
    missing = sorted(_needed_migrations() - set(cursor.fetchall()))
    if not missing:
        return None
    return f"migration {'.'.join(missing[0])} is missing: run {settings.COMMAND} migrate"


@cache
def _needed_migrations() -> set[tuple[str, str]]:
    return set(MigrationLoader(None).disk_migrations or ())

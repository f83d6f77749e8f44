"""Databases of their own, between which the tests' connection changes."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from django.contrib.contenttypes.models import ContentType
from django.db import connection
from psycopg import sql

from trials.sampling.session_registry import session_registry
from tuner_project.db.database import close_pool


def create(name: str, *, template: str = "template0") -> None:
    """Create a database, empty or as a copy, which nobody may be connected to."""
    drop(name)
    _run("CREATE DATABASE {} TEMPLATE {}", name, template)


def drop(name: str) -> None:
    _run("DROP DATABASE IF EXISTS {} WITH (FORCE)", name)


@contextmanager
def connected_to(name: str) -> Iterator[None]:
    """A block in which Django works on this database."""
    before = {key: connection.settings_dict[key] for key in ("NAME", "OPTIONS")}
    # Without a pool, whose threads may still connect when it is closed.
    _change({"NAME": name, "OPTIONS": before["OPTIONS"] | {"pool": False}})
    try:
        yield
    finally:
        _change(before)


def _change(settings: dict[str, Any]) -> None:
    close_pool()
    connection.settings_dict.update(settings)
    # What a process remembers of its database.
    session_registry.clear()
    ContentType.objects.clear_cache()


def _run(statement: str, *names: str) -> None:
    parameters = connection.get_connection_params() | {"dbname": "postgres"}
    with psycopg.connect(**parameters, autocommit=True) as maintenance:
        maintenance.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))

"""The database a process works on: the configured one, or the embedded one while it is used."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings
from django.db import connections
from django.db.backends.postgresql.base import DatabaseWrapper


@contextmanager
def running_database() -> Iterator[None]:
    """Start or join the embedded PostgreSQL for the time of the block; else do nothing."""
    if settings.EMBEDDED_POSTGRES is None:
        yield
        return
    with settings.EMBEDDED_POSTGRES.running():
        yield


def release_connection() -> None:
    """Give this thread's connection back to the pool, unless a transaction is open on it."""
    connection = connections["default"]
    if not connection.in_atomic_block:
        connection.close()


def close_pool() -> None:
    """Close this process's pool, so that a forked child or a stopping server is free of it."""
    connection = connections["default"]
    connection.close()
    if isinstance(connection, DatabaseWrapper):
        connection.close_pool()

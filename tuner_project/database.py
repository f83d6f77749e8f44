"""The database a process works on: the configured one, or the embedded one while it is used."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings
from django.db import connection


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
    if not connection.in_atomic_block:
        connection.close()

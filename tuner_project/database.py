"""The database a process works on: the configured one, or the embedded one while it is used."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
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


def direct_connection(timeout: int) -> psycopg.Connection[Any]:
    """A connection beside the pool; it and each of its statements take `timeout` s at most."""
    # All parameters: sslrootcert and the like decide whether the database lets us in.
    parameters = connections["default"].get_connection_params() | {"connect_timeout": timeout}
    direct: psycopg.Connection[Any] = psycopg.connect(**parameters, autocommit=True)
    direct.execute(f"SET statement_timeout = {timeout * 1000:d}")
    return direct


def check_database() -> None:
    """Raise `ImproperlyConfigured`, with the reason, where the database cannot be reached."""
    try:
        direct_connection(timeout=10).close()
    except psycopg.OperationalError as error:
        reason = " ".join(str(error).split())
        raise ImproperlyConfigured(f"DATABASE_URL: {reason}") from None


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

"""The database a process works on: the configured one, or the embedded one while it is used."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import connections
from django.db.backends.postgresql.base import DatabaseWrapper

from tuner_project.db.pool import PoolConnection

SECONDS_BETWEEN_TRIES = 0.2


@contextmanager
def running_database() -> Iterator[None]:
    """Start or join the embedded PostgreSQL for the time of the block; else do nothing."""
    if settings.EMBEDDED_POSTGRES is None:
        yield
        return
    with settings.EMBEDDED_POSTGRES.running():
        yield


@contextmanager
def direct_cursor(timeout: int) -> Iterator[psycopg.Cursor[Any]]:
    """A transaction on a connection beside the pool.

    To connect takes `timeout` s at most, and so does each statement. What limits them ends with
    the transaction: behind a pooler, the session is another one's next.
    """
    # All parameters: sslrootcert and the like decide whether the database lets us in.
    parameters = connections["default"].get_connection_params() | {"connect_timeout": timeout}
    with psycopg.connect(**parameters) as direct, direct.cursor() as cursor:
        cursor.execute(f"SET LOCAL statement_timeout = {timeout * 1000:d}")
        yield cursor


@contextmanager
def only_one(lock: int) -> Iterator[None]:
    """Wait until no other process is in such a block of this database.

    The lock belongs to a transaction, as a session's would be lost behind a pooler. Those who wait
    try it again and again, each time in a transaction of its own: a statement that waited would
    hold a snapshot, for whose end the other's CREATE INDEX CONCURRENTLY would wait.
    """
    while True:
        with direct_cursor(timeout=10) as cursor:
            cursor.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
            cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [lock])
            if cursor.fetchone() == (True,):
                yield
                return
        time.sleep(SECONDS_BETWEEN_TRIES)


def limit_statements() -> None:
    """Let no statement of this process's pool take longer than DB_STATEMENT_TIMEOUT.

    Called where requests are served, so that commands may take their time.
    """
    PoolConnection.statement_timeout = settings.DB_STATEMENT_TIMEOUT * 1000


def lift_statement_timeout() -> None:
    """Let the statements of this transaction take their time: they may go through whole tables.

    Whatever limits them: that may be a pooler, or the role's own setting, too.
    """
    with connections["default"].cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout = 0")


def check_database() -> None:
    """Raise `ImproperlyConfigured`, with the reason, where the database cannot be reached."""
    try:
        with direct_cursor(timeout=10):
            pass
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

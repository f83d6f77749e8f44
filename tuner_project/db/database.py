"""Access to the configured or embedded database outside the ORM."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import OperationalError, connections
from django.db.backends.postgresql.base import DatabaseWrapper

from tuner_project.db.pool import PoolConnection

SECONDS_BETWEEN_TRIES = 0.2


@contextmanager
def running_database() -> Iterator[None]:
    """Run the embedded PostgreSQL for the duration of the block, if it is configured."""
    if settings.EMBEDDED_POSTGRES is None:
        yield
        return
    with settings.EMBEDDED_POSTGRES.running():
        yield


@contextmanager
def direct_cursor(timeout: int) -> Iterator[psycopg.Cursor[Any]]:
    """Open a transaction on a connection outside the pool and yield its cursor.

    Connecting takes at most `timeout` seconds, and so does each statement. The statement timeout
    is set for the transaction only: behind a pooler, the session is then given to another client.
    """
    # All parameters, because the database may require options such as sslrootcert.
    parameters = connections["default"].get_connection_params() | {"connect_timeout": timeout}
    with psycopg.connect(**parameters) as direct, direct.cursor() as cursor:
        cursor.execute(f"SET LOCAL statement_timeout = {timeout * 1000:d}")
        yield cursor


@contextmanager
def only_one(lock: int) -> Iterator[None]:
    """Hold an advisory lock during the block, so that one process at a time executes it.

    The lock is held by a transaction, because a session's lock would be lost behind a pooler.
    Waiting processes poll, each attempt in a new transaction: a statement that blocked on the lock
    would hold a snapshot, and CREATE INDEX CONCURRENTLY in the block would wait for its end.
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
    """Limit each statement of this process's pool to DB_STATEMENT_TIMEOUT seconds.

    Only processes that serve requests call this, so commands have no limit.
    """
    PoolConnection.statement_timeout = settings.DB_STATEMENT_TIMEOUT * 1000


def lift_statement_timeout() -> None:
    """Disable the statement timeout for this transaction, whose statements may scan whole tables.

    This also overrides a timeout set by a pooler or for the database role.
    """
    with connections["default"].cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout = 0")


def limit_lock_waits(seconds: float) -> None:
    """Let the statements of this transaction wait for each lock for a limited time.

    After that they fail, as `is_lock_timeout` says.
    """
    with connections["default"].cursor() as cursor:
        cursor.execute(f"SET LOCAL lock_timeout = {seconds * 1000:.0f}")


def is_lock_timeout(error: OperationalError) -> bool:
    """Return whether a statement failed since another transaction held a lock for too long."""
    return isinstance(error.__cause__, psycopg.errors.LockNotAvailable)


def check_database() -> None:
    """Raise `ImproperlyConfigured`, with the reason, if the database cannot be reached."""
    try:
        with direct_cursor(timeout=10):
            pass
    except psycopg.OperationalError as error:
        reason = " ".join(str(error).split())
        raise ImproperlyConfigured(f"DATABASE_URL: {reason}") from None


def release_connection() -> None:
    """Return this thread's connection to the pool, unless it is in a transaction."""
    connection = connections["default"]
    if not connection.in_atomic_block:
        connection.close()


def close_pool() -> None:
    """Close this process's connection pool, before it forks or stops."""
    connection = connections["default"]
    connection.close()
    if isinstance(connection, DatabaseWrapper):
        connection.close_pool()

"""Temporary faults of the database and of the service's own disk, recognised by their exceptions.

The response to each is 503 with `Retry-After`. The transaction was rolled back or never began. The
exception is a connection that broke during the commit: the changes may then have been stored.
"""

import errno
from collections.abc import Iterator
from dataclasses import dataclass

import django.db
import psycopg
from psycopg_pool import PoolTimeout, TooManyRequests

from tuner_project.db.pool import PoolConnection
from tuner_project.db.readiness import reason_not_ready


@dataclass(frozen=True)
class Fault:
    """A reason why a request cannot be served now."""

    code: str
    wait: int  # seconds until the client should retry (`Retry-After`)
    detail: str


NOT_MIGRATED = "storage_not_migrated"  # the code of a fault whose detail says what is missing
AWAY = Fault(
    "storage_away",
    1,
    "the database cannot be reached: try again; repeating an identical request is safe",
)
BUSY = Fault(
    "storage_busy",
    2,
    "the database is overloaded, or took too long: nothing was stored; try again",
)
FULL = Fault(
    "storage_full",
    30,
    "the database has no space left: nothing was stored; try again once there is some",
)
READ_ONLY = Fault(
    "storage_read_only",
    5,
    "the database is read-only, as a standby is until it is promoted: try again",
)
NO_ROOM = Fault(
    "service_full",
    30,
    "the service has no disk space left for temporary files: nothing was stored; try again",
)
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT)

# By SQLSTATE prefix (https://www.postgresql.org/docs/current/errcodes-appendix.html); the longest
# matching prefix applies.
_BY_SQLSTATE = {
    "08": AWAY,  # the connection broke; also PgBouncer's own errors
    "57P": AWAY,  # shut down, crashed, starting
    "58": AWAY,  # system error, such as an I/O error
    "25006": READ_ONLY,
    "25P03": AWAY,  # idle-in-transaction timeout: PostgreSQL ended the session
    "40001": BUSY,  # serialization failure
    "40P01": BUSY,  # deadlock
    "53": BUSY,  # out of memory or connections
    "53100": FULL,
    "55P03": BUSY,  # lock timeout
    "57014": BUSY,  # statement timeout
}
# No such schema, column or table: a bug, unless a migration is missing.
_UNDEFINED = ("3F000", "42703", "42P01")
# A refused connection has no SQLSTATE, only libpq's message.
_TOO_MANY = ("too many clients", "too many connections", "connection slots are reserved")


def fault_of(error: BaseException | None) -> Fault | None:
    """Return the fault that an exception indicates, or None if it is another kind of error."""
    if isinstance(error, OSError) and error.errno in _NO_SPACE:
        return NO_ROOM
    errors = list(_database_errors(error))
    if not errors:
        return None
    for each in errors:
        if each.sqlstate is not None:
            return _of_sqlstate(each.sqlstate)
    return _of_connection(errors[-1])


def _database_errors(error: BaseException | None) -> Iterator[psycopg.Error]:
    """Yield the psycopg errors in an exception's chain of causes, including the exception."""
    while error is not None:
        if isinstance(error, psycopg.Error):
            yield error
        elif isinstance(error, django.db.InterfaceError) and error.__cause__ is None:
            yield psycopg.InterfaceError(*error.args)  # raised by Django: the connection is closed
        # In a pipeline, the statement that raises may be one that follows the failed statement.
        is_aborted = isinstance(error, psycopg.errors.PipelineAborted)
        error = error.__cause__ or (error.__context__ if is_aborted else None)


def _of_sqlstate(sqlstate: str) -> Fault | None:
    if sqlstate in _UNDEFINED and (reason := reason_not_ready()):
        return Fault(NOT_MIGRATED, 30, reason)
    for length in (5, 3, 2):
        if fault := _BY_SQLSTATE.get(sqlstate[:length]):
            return fault
    return None


def _of_connection(error: psycopg.Error) -> Fault | None:
    """Return the fault of an error without SQLSTATE, which means that there is no connection."""
    match error:
        case TooManyRequests():
            return BUSY
        case PoolTimeout():
            failure = PoolConnection.last_failure
            return BUSY if failure is None else _of_connection(failure)
        case psycopg.OperationalError():
            refused = any(words in str(error) for words in _TOO_MANY)
            return BUSY if refused else AWAY
        # psycopg's own InternalError: the server's last message and the end of the connection are
        # two results of one command.
        case psycopg.InterfaceError() | psycopg.InternalError():
            return AWAY
    return None

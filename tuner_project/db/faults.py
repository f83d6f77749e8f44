"""Temporary faults of the database, and of the service's own disk, by the error that they raise.

Each is answered with 503 and `Retry-After`. The transaction was rolled back, or never began; only
if the connection broke during the commit, it may have been stored, as when an answer is lost.
"""

import errno
from collections.abc import Iterator
from dataclasses import dataclass

import django.db
import psycopg
from psycopg_pool import PoolTimeout, TooManyRequests

from tuner_project.db.pool import PoolConnection


@dataclass(frozen=True)
class Fault:
    """A reason why a request cannot be served now."""

    code: str
    wait: int  # seconds until it is worth to try again
    detail: str


AWAY = Fault(
    "storage_away",
    1,
    "the database cannot be reached: try again; the same tell twice is harmless",
)
BUSY = Fault(
    "storage_busy",
    2,
    "the database has too much to do, or took too long: nothing was stored; try again",
)
FULL = Fault(
    "storage_full",
    30,
    "the database has no space left: nothing was stored; try again once there is some",
)
READ_ONLY = Fault(
    "storage_read_only",
    5,
    "the database takes no writes, as a standby does until it is promoted: try again",
)
NO_ROOM = Fault(
    "service_full",
    30,
    "the service has no disk space left for temporary files: nothing was stored; try again",
)
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT)

# By what an SQLSTATE begins with (https://www.postgresql.org/docs/current/errcodes-appendix.html);
# the longest counts.
_BY_SQLSTATE = {
    "08": AWAY,  # the connection broke; PgBouncer's own errors, too
    "57P": AWAY,  # shut down, crashed, starting
    "58": AWAY,  # its files or its machine fail
    "25006": READ_ONLY,
    "25P03": AWAY,  # it has ended the session, whose transaction idled too long
    "40001": BUSY,  # serialization failure
    "40P01": BUSY,  # deadlock
    "53": BUSY,  # out of memory, of connections
    "53100": FULL,
    "55P03": BUSY,  # lock timeout
    "57014": BUSY,  # statement timeout
}
# A refused connection has no SQLSTATE, only libpq's words.
_TOO_MANY = ("too many clients", "too many connections", "connection slots are reserved")


def fault_of(error: BaseException | None) -> Fault | None:
    """The fault that an exception tells of; None where it is another error."""
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
    """Yield the errors of psycopg among an error and those that caused it."""
    while error is not None:
        if isinstance(error, psycopg.Error):
            yield error
        elif isinstance(error, django.db.InterfaceError) and error.__cause__ is None:
            yield psycopg.InterfaceError(*error.args)  # Django's own: the connection is closed
        # In a pipeline, what follows the statement that failed may be what raises.
        is_aborted = isinstance(error, psycopg.errors.PipelineAborted)
        error = error.__cause__ or (error.__context__ if is_aborted else None)


def _of_sqlstate(sqlstate: str) -> Fault | None:
    for length in (5, 3, 2):
        if fault := _BY_SQLSTATE.get(sqlstate[:length]):
            return fault
    return None


def _of_connection(error: psycopg.Error) -> Fault | None:
    """The fault of an error that PostgreSQL did not send: there is no connection."""
    match error:
        case TooManyRequests():
            return BUSY
        case PoolTimeout():
            failure = PoolConnection.last_failure
            return BUSY if failure is None else _of_connection(failure)
        case psycopg.OperationalError():
            refused = any(words in str(error) for words in _TOO_MANY)
            return BUSY if refused else AWAY
        case psycopg.InterfaceError():
            return AWAY
    return None

"""The connections of the pool: why the last one failed, and how long a statement may take."""

from typing import Any, ClassVar, Self

import psycopg
from psycopg.abc import PQGen


class PoolConnection(psycopg.Connection[Any]):
    """What the pool opens."""

    # Of each statement, in milliseconds; 0: none. Only requests are limited (see wsgi.py), but
    # behind a pooler commands share sessions with them.
    statement_timeout: ClassVar[int] = 0
    # Behind PgBouncer in transaction mode, which gives each transaction another session, and takes
    # no `options` when it is connected to.
    has_sessions: ClassVar[bool] = True
    # The pool connects in the background: who waits for it is told of a timeout only.
    last_failure: ClassVar[psycopg.Error | None] = None

    @classmethod
    def connect(cls, conninfo: str = "", **kwargs: Any) -> Self:
        if cls.statement_timeout and cls.has_sessions:
            limit = f"-c statement_timeout={cls.statement_timeout:d}"
            kwargs["options"] = f"{limit} {kwargs.get('options') or ''}".strip()
        try:
            connection = super().connect(conninfo, **kwargs)
        except psycopg.Error as error:
            PoolConnection.last_failure = error
            raise
        PoolConnection.last_failure = None
        return connection

    def _start_query(self) -> PQGen[None]:
        """Begin a transaction if need be, and where no session can be limited, limit it.

        psycopg's own name: it has no public place for what follows each BEGIN.
        """
        begins = (
            not self.autocommit
            and self.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
        )
        yield from super()._start_query()
        if begins and not self.has_sessions:  # also to 0: the pooler may have set a limit
            yield from self._exec_command(
                b"SET LOCAL statement_timeout = %d" % self.statement_timeout
            )

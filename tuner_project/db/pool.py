"""The connection class of the pool, with a statement timeout and the last connection failure."""

from typing import Any, ClassVar, Self

import psycopg
from psycopg.abc import PQGen


class PoolConnection(psycopg.Connection[Any]):
    """A connection of the pool."""

    # Milliseconds per statement; 0 means no limit. Only requests are limited (see wsgi.py), but
    # behind a pooler commands share sessions with them.
    statement_timeout: ClassVar[int] = 0
    # False behind PgBouncer in transaction mode, which may run each transaction in another session
    # and does not accept the connection parameter `options`.
    has_sessions: ClassVar[bool] = True
    # The pool connects in the background, so a waiting caller gets only a PoolTimeout.
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
        """Begin a transaction if needed; without sessions, set the statement timeout in it.

        Overrides a private method of psycopg, which has no public hook that runs after each BEGIN.
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

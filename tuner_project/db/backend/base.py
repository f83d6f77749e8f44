"""Django's database wrapper for PostgreSQL; Django imports this module by the setting ENGINE."""

from collections.abc import Callable, Mapping
from typing import Any, Self, TypeVar

import psycopg
from django.db.backends.postgresql import base
from psycopg import IsolationLevel

from tuner_project.db.pool import PoolConnection
from tuner_project.db.statements import Sent

Result = TypeVar("Result")


class Cursor(base.CursorMixin, psycopg.ClientCursor[Any]):
    """The cursor of the ORM, which has the result of a statement as soon as it has been sent.

    In a pipeline psycopg would wait for it when a row is read only, but the ORM also reads the
    number of rows that a statement has changed.
    """

    def execute(self, *args: Any, **kwargs: Any) -> Self:
        super().execute(*args, **kwargs)
        self._fetch_pipeline()  # private in psycopg, which does this where rows are read
        return self


class DatabaseWrapper(base.DatabaseWrapper):
    """A thread's connection, taken from the pool without a round trip.

    Attributes:
        n_commits: The number of commits that this thread has sent.
        n_lost: The number of connections that this thread has lost.
    """

    n_commits = 0
    n_lost = 0

    def get_connection_params(self) -> dict[str, Any]:
        return super().get_connection_params() | {"cursor_factory": Cursor}

    def get_new_connection(self, conn_params: Any) -> Any:
        """Take a connection from the pool, and replace it if the server has ended it.

        Django's setting CONN_HEALTH_CHECKS would make a round trip for each request.
        """
        if not self.pool:  # Django would connect by another class
            self.isolation_level = IsolationLevel.READ_COMMITTED
            return PoolConnection.connect(**conn_params)
        connection = super().get_new_connection(conn_params)
        for _ in range(self.pool.max_size):
            if connection.is_alive():
                break
            self.pool.putconn(connection)  # which replaces it, since it is closed
            connection = super().get_new_connection(conn_params)
        return connection

    def send(
        self,
        sql: str,
        arguments: Mapping[str, Any],
        build: Callable[[tuple[Any, ...]], Result],
    ) -> Sent[Result]:
        """Send a statement as `PoolConnection.send` does; raises Django's errors."""
        with self.wrap_database_errors:
            return self.connection.send(sql, arguments, build, self._fetch)

    def _fetch(self) -> None:
        with self.wrap_database_errors:
            self.connection.fetch()

    def _close(self) -> None:
        if self.connection is not None and self.connection.closed:
            self.n_lost += 1
        super()._close()  # type: ignore[misc]  # unknown to the stubs

    def _commit(self) -> None:
        self.n_commits += 1
        super()._commit()  # type: ignore[misc]  # unknown to the stubs

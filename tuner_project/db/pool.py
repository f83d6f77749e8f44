"""The connection class of the pool, and its pipelines, in which a transaction takes two waits."""

import select
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from typing import Any, ClassVar, Self, TypeVar

import psycopg
from psycopg import adapt
from psycopg.abc import PQGen, Transformer
from psycopg.generators import execute, send
from psycopg.pq import TransactionStatus

from tuner_project.db.statements import PreparedStatements, Sent, Statement, statement

Result = TypeVar("Result")


class TransactionPipeline(psycopg.Pipeline):
    """A pipeline that waits for the server only where a result is read, and at the end.

    psycopg's own also waits for BEGIN, and once more after a COMMIT. The methods that this class
    overrides are private in psycopg, which has no public ones for it.

    Attributes:
        has_begun: Whether BEGIN was sent, or there was a transaction before.
        is_synced: Whether the server has answered everything that was sent.
    """

    def __init__(self, connection: "PoolConnection") -> None:
        super().__init__(connection)
        self.has_begun = connection.info.transaction_status != TransactionStatus.IDLE
        self.is_synced = True

    def _communicate_gen(self) -> PQGen[None]:
        """Write the statements into libpq's buffer, which is sent where results are read."""
        while self.command_queue:
            self.command_queue.popleft()()
        yield from ()

    def _sync_gen(self) -> PQGen[None]:
        self._enqueue_sync()
        yield from self._communicate_gen()
        yield from send(self.pgconn)
        try:
            yield from self._fetch_gen(flush=False)
        finally:  # an error is raised after all results have been read
            self.is_synced = not self.result_queue

    def _fetch_gen(self, *, flush: bool) -> PQGen[None]:
        """Read the results; without a transaction by a Sync, after which nothing is left to do."""
        if flush and not self.has_begun and self.result_queue:
            yield from self._sync_gen()
        else:
            yield from super()._fetch_gen(flush=flush)

    def _exit_gen(self) -> PQGen[None]:
        if not self.is_synced:
            yield from self._sync_gen()


class PoolConnection(psycopg.Connection[Any]):
    """A connection of the pool."""

    # Milliseconds per statement; 0 means no limit. Only requests are limited (see wsgi.py), but
    # behind a pooler commands share sessions with them.
    statement_timeout: ClassVar[int] = 0
    # False behind PgBouncer in transaction mode, which may run each transaction in another session
    # and does not accept the connection parameter `options`.
    has_sessions: ClassVar[bool] = True
    # Whether the statements of `send` are prepared.
    is_preparing: ClassVar[bool] = True
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

    def is_alive(self) -> bool:
        """Return whether the server has not ended this idle connection; close it if it has.

        The server says so on the socket, so only if something is there to be read, a round trip is
        made. A connection of which the network has lost the other end seems alive.
        """
        if self.closed:
            return False
        poll = select.poll()
        poll.register(self.fileno(), select.POLLIN)
        if not poll.poll(0):
            return True
        try:
            self.execute("")
        except psycopg.Error:
            self.close()
            return False
        return True

    def send(
        self,
        sql: str,
        arguments: Mapping[str, Any],
        build: Callable[[tuple[Any, ...]], Result],
        fetch: Callable[[], None],
    ) -> Sent[Result]:
        """Send a statement, which the server prepares; in a pipeline, do not wait for its result.

        Args:
            sql: SQL with parameters as %(name)s.
            arguments: The parameters' values by name.
            build: Converts a row of the result.
            fetch: Calls `fetch`, for a result that is read in the pipeline.
        """
        sent = Sent(self._transformer, self._prepared_statements, fetch, build)
        with self.lock:
            self.wait(self._send_gen(statement(sql), arguments, sent))
        return sent

    @cached_property
    def _transformer(self) -> Transformer:
        return adapt.Transformer(self)

    @cached_property
    def _prepared_statements(self) -> PreparedStatements:
        return PreparedStatements()

    def fetch(self) -> None:
        """Read the results of the pipeline so far."""
        with self.lock:
            if self._pipeline is not None:
                self.wait(self._pipeline._fetch_gen(flush=True))  # noqa: SLF001

    def _send_gen(
        self, statement: Statement, arguments: Mapping[str, Any], sent: Sent[Any]
    ) -> PQGen[None]:
        values = statement.values(arguments, self._transformer)
        yield from self._start_query()
        name = yield from self._prepare_gen(statement)
        pipeline = self._pipeline
        if pipeline is not None:
            yield from pipeline._communicate_gen()  # noqa: SLF001
        if name is None:
            self.pgconn.send_query_params(statement.sql, values)
        else:
            self.pgconn.send_query_prepared(name, values)
        yield from self._result_gen(sent)

    def _result_gen(self, sent: Sent[Any]) -> PQGen[None]:
        """Read the result of what was sent last; in a pipeline, expect it in its turn."""
        if self._pipeline is not None:
            self._pipeline.result_queue.append((sent, None))  # type: ignore[arg-type]
            return
        results = yield from execute(self.pgconn)
        sent._check_results(results)  # noqa: SLF001
        sent._set_results(results)  # noqa: SLF001

    def _prepare_gen(self, statement: Statement) -> PQGen[bytes | None]:
        """Prepare a statement unless it is, and return its name; None where none is prepared."""
        if not self.is_preparing:
            return None
        prepared = self._prepared_statements
        if prepared.are_doubtful:
            prepared.clear()
            yield from self._exec_command(b"DEALLOCATE ALL")
        name = prepared.name_of(statement)
        if name is not None:
            return name
        name = prepared.add(statement)
        pipeline = self._pipeline
        if pipeline is not None:
            yield from pipeline._communicate_gen()  # noqa: SLF001
        self.pgconn.send_prepare(name, statement.sql)
        yield from self._result_gen(Sent(self._transformer, prepared, self.fetch, tuple))
        if surplus := prepared.pop_surplus():
            yield from self._exec_command(b"DEALLOCATE " + surplus)
        return name

    @contextmanager
    def pipeline(self) -> Iterator[psycopg.Pipeline]:
        """Begin or join a `TransactionPipeline`."""
        if self._pipeline is None and not self.closed:
            self._pipeline = TransactionPipeline(self)
        with super().pipeline() as pipeline:
            yield pipeline

    @property
    def is_pipelined(self) -> bool:
        """Whether a pipeline is open."""
        return self._pipeline is not None

    def _start_query(self) -> PQGen[None]:
        """Begin a transaction if needed; without sessions, set the statement timeout in it.

        Overrides a private method of psycopg, which has no public hook that runs after each BEGIN.
        """
        pipeline = self._pipeline
        if isinstance(pipeline, TransactionPipeline):
            pipeline.is_synced = False
            if self.autocommit or pipeline.has_begun:
                return
            pipeline.has_begun = True
            yield from self._exec_command(self._get_tx_start_command())
        else:
            is_idle = self.info.transaction_status == TransactionStatus.IDLE
            yield from super()._start_query()
            if self.autocommit or not is_idle:
                return
        if not self.has_sessions:  # also to 0: the pooler may have set a limit
            yield from self._exec_command(
                b"SET LOCAL statement_timeout = %d" % self.statement_timeout
            )

    def _commit_gen(self) -> PQGen[None]:
        """Commit; in a pipeline, with the statements before it, which then have their results.

        psycopg would do nothing, since libpq does not know of a transaction before a Sync.
        """
        pipeline = self._pipeline
        if not isinstance(pipeline, TransactionPipeline):
            yield from super()._commit_gen()
        elif pipeline.has_begun:
            pipeline.has_begun = False
            yield from self._exec_command(b"COMMIT")
            yield from pipeline._sync_gen()  # noqa: SLF001

    def _rollback_gen(self) -> PQGen[None]:
        yield from super()._rollback_gen()
        if isinstance(self._pipeline, TransactionPipeline):
            self._pipeline.has_begun = False

    def _set_autocommit_gen(self, value: bool) -> PQGen[None]:
        """Set `autocommit`; in a pipeline in which nothing is left to read, without a Sync."""
        pipeline = self._pipeline
        if isinstance(pipeline, TransactionPipeline) and pipeline.is_synced:
            self._autocommit = value
        else:
            yield from super()._set_autocommit_gen(value)

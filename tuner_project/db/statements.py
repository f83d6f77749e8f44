"""Statements that are sent by psycopg's protocol layer, and their results.

A statement takes 30 µs of CPU time here, and 60 to 70 µs in psycopg's cursor and Django's wrapper.
psycopg's adapters convert the values.
"""

import re
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, Generic, TypeVar

from psycopg import errors
from psycopg.abc import Transformer
from psycopg.adapt import PyFormat
from psycopg.pq import ExecStatus
from psycopg.pq.abc import PGresult

Result = TypeVar("Result")

_PARAMETER = re.compile(r"%(?:\((\w+)\)s|%)")
_ROWS_AT_ONCE = 100  # that are converted at a time
MAX_PREPARED = 100  # statements of a connection


class Statement:
    """SQL with the parameters $1, $2, …, whose types the server infers.

    Attributes:
        sql: The SQL.
        names: The names of the parameters, in their order.
    """

    __slots__ = ("_formats", "names", "sql")

    def __init__(self, sql: str) -> None:
        positions: dict[str, int] = {}

        def numbered(found: re.Match[str]) -> str:
            name = found[1]
            return "%" if name is None else f"${positions.setdefault(name, len(positions) + 1)}"

        self.sql = _PARAMETER.sub(numbered, sql).encode()
        self.names = tuple(positions)
        self._formats = (PyFormat.TEXT,) * len(positions)

    def values(self, arguments: Mapping[str, Any], adapters: Transformer) -> Sequence[Any]:
        """Return the arguments as the server reads them, in the order of the parameters."""
        return adapters.dump_sequence([arguments[name] for name in self.names], self._formats)


@lru_cache(maxsize=1000)
def statement(sql: str) -> Statement:
    """Return the statement of SQL with parameters as %(name)s, in which %% is a percent sign."""
    return Statement(sql)


class PreparedStatements:
    """The names under which a connection has prepared statements; the least recently used go."""

    def __init__(self) -> None:
        self._names: OrderedDict[Statement, bytes] = OrderedDict()
        self._n_named = 0
        # After an error it is not known which of them the server has, and whether a changed table
        # makes one fail each time.
        self.are_doubtful = False

    def name_of(self, statement: Statement) -> bytes | None:
        """Return the name of a prepared statement, or None if it is not prepared."""
        name = self._names.get(statement)
        if name is not None:
            self._names.move_to_end(statement)
        return name

    def add(self, statement: Statement) -> bytes:
        """Return a new name for a statement; a name is never used again."""
        self._n_named += 1
        name = self._names[statement] = b"tuner_%d" % self._n_named
        return name

    def pop_surplus(self) -> bytes | None:
        """Forget a statement if there are too many, and return its name."""
        return self._names.popitem(last=False)[1] if len(self._names) > MAX_PREPARED else None

    def clear(self) -> None:
        """Forget all, which the server does, too."""
        self._names.clear()
        self.are_doubtful = False


class Sent(Generic[Result]):
    """A statement that was sent. To read its rows waits for its result, if it has not arrived.

    Each row is converted by `build`. psycopg's pipeline calls the two private methods, as those of
    its cursors.
    """

    def __init__(
        self,
        adapters: Transformer,
        prepared: PreparedStatements,
        fetch: Callable[[], None],
        build: Callable[[tuple[Any, ...]], Result],
    ) -> None:
        self._adapters = adapters
        self._prepared = prepared
        self._fetch = fetch
        self._build = build
        self._result: PGresult | None = None

    def first(self) -> Result | None:
        """Return the first row, or None if there are no rows."""
        return next(iter(self), None)

    def __iter__(self) -> Iterator[Result]:
        if self._result is None:
            self._fetch()
        result = self._result
        if result is None:
            raise errors.InterfaceError("the statement has no result: one before it has failed")
        for start in range(0, result.ntuples, _ROWS_AT_ONCE):
            # Others use the same adapters meanwhile.
            self._adapters.set_pgresult(result)
            stop = min(start + _ROWS_AT_ONCE, result.ntuples)
            yield from map(self._build, self._adapters.load_rows(start, stop, tuple))

    def _check_results(self, results: Sequence[PGresult]) -> None:
        status = results[-1].status
        if status in (ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK):
            return
        self._prepared.are_doubtful = True
        if status == ExecStatus.PIPELINE_ABORTED:
            raise errors.PipelineAborted("a statement before this one has failed")
        raise errors.error_from_result(results[-1])

    def _set_results(self, results: Sequence[PGresult]) -> None:
        self._result = results[-1]

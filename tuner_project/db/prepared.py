"""Statements that the server prepares, and queries that Django compiles once.

For what every ask and tell runs: to put a query together, compile it and plan it takes longer
than to run it.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from typing import Any, Generic, TypeVar

import psycopg
from django.db import connections
from django.db.models import Expression, Model, QuerySet

Row = TypeVar("Row", bound=Model)


def prepared_cursor() -> Any:
    """A cursor of Django's whose statements the server prepares, and keeps until a rollback.

    Django's own puts the parameters into the statement, which is then planned at each execution.
    """
    connection: Any = connections["default"]
    connection.ensure_connection()
    return connection._prepare_cursor(psycopg.Cursor(connection.connection))


def run(statement: str, arguments: Mapping[str, Any]) -> None:
    """Run a statement, prepared."""
    with prepared_cursor() as cursor:
        cursor.execute(statement, arguments)


def row_of(statement: str, arguments: Mapping[str, Any]) -> tuple[Any, ...] | None:
    """The first row that a statement gives, if any."""
    with prepared_cursor() as cursor:
        cursor.execute(statement, arguments)
        row: tuple[Any, ...] | None = cursor.fetchone()
        return row


@contextmanager
def pipelined() -> Iterator[None]:
    """Send the block's statements without waiting for one's result before the next.

    What goes wrong with one is raised at the end of the block at the latest. A block within
    another one is a part of that: only the outermost waits.
    """
    connection: Any = connections["default"]
    connection.ensure_connection()
    if connection.connection.pgconn.pipeline_status != psycopg.pq.PipelineStatus.OFF:
        yield
        return
    with connection.wrap_database_errors, connection.connection.pipeline():
        yield


class Parameter(Expression):
    """Stands in a `PreparedQuery` for a value that is given when it runs."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, tuple[()]]:
        return f"%({self.name})s", ()


class Literal(Expression):
    """Stands in a `PreparedQuery` for a value that is always the same, such as an index names."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = text.replace("'", "''").replace("%", "%%")

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, tuple[()]]:
        return f"'{self.text}'", ()


class PreparedQuery(Generic[Row]):
    """A query that is compiled when it first runs. All its values are `Parameter`s or `Literal`s.

    `afterwards` names annotations in SQL that are computed once the rows are found and locked:
    one in the query itself would be computed before it waits for a lock.
    """

    def __init__(
        self,
        build: Callable[[], "QuerySet[Row, Any]"],
        afterwards: Mapping[str, str] | None = None,
    ) -> None:
        self._build = build
        self._afterwards = dict(afterwards or {})

    def rows(self, **parameters: Any) -> Iterator[tuple[Any, ...]]:
        """The rows as PostgreSQL's adapter reads them; no field converts its values."""
        with prepared_cursor() as cursor:
            cursor.execute(self._statement, parameters)
            yield from cursor

    def first(self, **parameters: Any) -> Row | None:
        """The first row as the model's object, with all its fields and the query's annotations."""
        return next(self.all(**parameters), None)

    def all(self, **parameters: Any) -> Iterator[Row]:
        """The rows as the model's objects."""
        model, fields, annotations = self._columns
        for row in self.rows(**parameters):
            found = model.from_db("default", fields, row[: len(fields)])
            for name, value in zip(annotations, row[len(fields) :], strict=True):
                setattr(found, name, value)
            yield found

    @cached_property
    def _statement(self) -> str:
        statement, values = self._build().query.sql_with_params()
        if values:
            raise TypeError(f"a prepared query has no values of its own, but this one has {values}")
        if self._afterwards:
            more = ", ".join(self._afterwards.values())
            return f"SELECT found.*, {more} FROM ({statement}) AS found"  # noqa: S608
        return str(statement)

    @cached_property
    def _columns(self) -> tuple[type[Row], list[str], list[str]]:
        queryset = self._build()
        fields = [field.attname for field in queryset.model._meta.concrete_fields]
        annotations = [*queryset.query.annotation_select, *self._afterwards]
        return queryset.model, fields, annotations

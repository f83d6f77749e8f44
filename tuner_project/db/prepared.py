"""Statements that the server prepares, and queries that Django compiles once.

Used for the statements of every ask and tell, because building, compiling and planning one takes
longer than running it. Measured with random search, the variants in turn, 3 times 500 asks with
their tells. Median CPU time of the service and PostgreSQL together for one ask and its tell:

- 16.4 ms with this module
- 16.5 ms with Django's own cursor and `OPTIONS: server_side_binding`
- 17.8 ms with that, and `Model.objects.raw()` in place of `PreparedQuery.all`
- 20.4 ms with that, and each query built and compiled when it runs, as the ORM does
- 19.5 ms with Django's own cursor with default options, which prepares no statements

`server_side_binding` would replace only `prepared_cursor`, and would bind the parameters of all
other statements on the server, too. `migrate` would then never end: the transaction that holds its
lock (`database.only_one`) would keep the snapshot of its last statement, and CREATE INDEX
CONCURRENTLY would wait for the end of that snapshot.
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
    """Return a Django cursor whose statements are prepared on the server.

    Django's default cursor interpolates the parameters into the SQL, so the server plans a
    statement at each execution.
    """
    connection: Any = connections["default"]
    connection.ensure_connection()
    return connection._prepare_cursor(psycopg.Cursor(connection.connection))  # noqa: SLF001


def run(statement: str, arguments: Mapping[str, Any]) -> None:
    """Run a prepared statement."""
    with prepared_cursor() as cursor:
        cursor.execute(statement, arguments)


def row_of(statement: str, arguments: Mapping[str, Any]) -> tuple[Any, ...] | None:
    """Run a prepared statement and return its first row, or None."""
    with prepared_cursor() as cursor:
        cursor.execute(statement, arguments)
        row: tuple[Any, ...] | None = cursor.fetchone()
        return row


@contextmanager
def pipelined() -> Iterator[None]:
    """Send the statements of the block without waiting for the result of each.

    An error in one of them is raised at the end of the block at the latest. A nested block joins
    the outer one: only the outermost block waits for results.
    """
    connection: Any = connections["default"]
    connection.ensure_connection()
    if connection.connection.pgconn.pipeline_status != psycopg.pq.PipelineStatus.OFF:
        yield
        return
    with connection.wrap_database_errors, connection.connection.pipeline():
        yield


class Parameter(Expression):
    """A placeholder in a `PreparedQuery`, whose value is passed at execution."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, tuple[()]]:
        return f"%({self.name})s", ()


class Literal(Expression):
    """A constant in the SQL of a `PreparedQuery`.

    PostgreSQL uses a partial index only if the value of its condition is a constant.
    """

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = text.replace("'", "''").replace("%", "%%")

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, tuple[()]]:
        return f"'{self.text}'", ()


class PreparedQuery(Generic[Row]):
    """A query that is compiled at its first execution and then reused.

    All its values are `Parameter`s and `Literal`s.

    Args:
        build: Function that builds the query.
        afterwards: Annotations, from name to SQL, that are computed after the rows are found and
            locked. An annotation of the query itself would be computed before it waits for a lock.
    """

    def __init__(
        self,
        build: Callable[[], "QuerySet[Row, Any]"],
        afterwards: Mapping[str, str] | None = None,
    ) -> None:
        self._build = build
        self._afterwards = dict(afterwards or {})

    def rows(self, **parameters: Any) -> Iterator[tuple[Any, ...]]:
        """Yield the rows as psycopg returns them, without conversion by model fields."""
        with prepared_cursor() as cursor:
            cursor.execute(self._statement, parameters)
            yield from cursor

    def first(self, **parameters: Any) -> Row | None:
        """Return the first row as a model object with annotations, or None if there are no rows."""
        return next(self.all(**parameters), None)

    def all(self, **parameters: Any) -> Iterator[Row]:
        """Yield the rows as model objects with the query's annotations."""
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

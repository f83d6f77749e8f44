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
from functools import cached_property
from typing import Any, Generic, TypeVar

import psycopg
from django.db import connections
from django.db.models import Expression, Model, QuerySet

Row = TypeVar("Row", bound=Model)
Result = TypeVar("Result")


def prepared_cursor() -> Any:
    """Return a Django cursor whose statements are prepared on the server.

    Django's default cursor interpolates the parameters into the SQL, so the server plans a
    statement at each execution.
    """
    connection: Any = connections["default"]
    connection.ensure_connection()
    return connection._prepare_cursor(psycopg.Cursor(connection.connection))  # noqa: SLF001


def send(statement: str, arguments: Mapping[str, Any]) -> Any:
    """Send a prepared statement, and return the cursor that reads its rows.

    Within `pipelined()` this does not wait for the result, else it has arrived.
    """
    cursor = prepared_cursor()
    cursor.execute(statement, arguments)
    return cursor


def run(statement: str, arguments: Mapping[str, Any]) -> None:
    """Run a prepared statement, of which no result is read."""
    send(statement, arguments)


def row_of(statement: str, arguments: Mapping[str, Any]) -> tuple[Any, ...] | None:
    """Run a prepared statement and return its first row, or None."""
    row: tuple[Any, ...] | None = send(statement, arguments).fetchone()
    return row


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


class SentQuery(Generic[Result]):
    """A statement that was sent, of which each row becomes an object; reading waits for them."""

    def __init__(self, cursor: Any, build: Callable[[tuple[Any, ...]], Result]) -> None:
        self._cursor = cursor
        self._build = build

    def first(self) -> Result | None:
        """Return the object of the first row, or None if there are no rows."""
        row = self._cursor.fetchone()
        return None if row is None else self._build(row)

    def all(self) -> Iterator[Result]:
        """Yield the objects of the rows."""
        return map(self._build, self._cursor)


class PreparedQuery(Generic[Row]):
    """A query that is compiled at its first execution and then reused.

    All its values are `Parameter`s and `Literal`s.

    Args:
        build: Function that builds the query.
        afterwards: Annotations, from name to SQL, that are computed after the rows are found and
            locked. An annotation of the query itself would be computed before it waits for a lock.
        always: Columns, from name to SQL, that precede the others. If no row is found, there is one
            in which all others are NULL.
    """

    def __init__(
        self,
        build: Callable[[], "QuerySet[Row, Any]"],
        afterwards: Mapping[str, str] | None = None,
        always: Mapping[str, str] | None = None,
    ) -> None:
        self._build = build
        self._afterwards = dict(afterwards or {})
        self._always = dict(always or {})

    def rows(self, **parameters: Any) -> Iterator[tuple[Any, ...]]:
        """Yield the rows as psycopg returns them, without conversion by model fields."""
        return iter(send(self._statement, parameters))

    def first(self, **parameters: Any) -> Row | None:
        """Return the first row as a model object with annotations, or None if there are no rows."""
        return self.send(**parameters).first()

    def all(self, **parameters: Any) -> Iterator[Row]:
        """Yield the rows as model objects with the query's annotations."""
        return self.send(**parameters).all()

    def send(self, **parameters: Any) -> "SentQuery[Row]":
        """Send the query; within `pipelined()`, without waiting for its result."""
        return SentQuery(send(self._statement, parameters), self._object)

    def _object(self, row: tuple[Any, ...]) -> Row:
        model, fields, annotations = self._columns
        found = model.from_db("default", fields, row[: len(fields)])
        for name, value in zip(annotations, row[len(fields) :], strict=True):
            setattr(found, name, value)
        return found

    @cached_property
    def _statement(self) -> str:
        statement, values = self._build().query.sql_with_params()
        if values:
            raise TypeError(f"a prepared query has no values of its own, but this one has {values}")
        if self._afterwards:
            more = ", ".join(self._afterwards.values())
            return f"SELECT found.*, {more} FROM ({statement}) AS found"  # noqa: S608
        if self._always:
            more = ", ".join(self._always.values())
            found = f"LEFT JOIN ({statement}) AS found ON true"
            return f"SELECT {more}, found.* FROM (SELECT) AS one {found}"  # noqa: S608
        return str(statement)

    @cached_property
    def _columns(self) -> tuple[type[Row], list[str], list[str]]:
        queryset = self._build()
        fields = [field.attname for field in queryset.model._meta.concrete_fields]
        annotations = [*queryset.query.annotation_select, *self._afterwards]
        return queryset.model, fields, annotations

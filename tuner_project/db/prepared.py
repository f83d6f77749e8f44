"""Queries that Django compiles once, and statements that the server prepares.

Used for the statements of every ask and tell, because building, compiling and planning one takes
longer than running it.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property, partial
from time import perf_counter
from typing import Any, Generic, TypeVar

from django.db import connections
from django.db.models import Expression, Model, QuerySet

from tuner_project.db.statements import Sent

Row = TypeVar("Row", bound=Model)
Result = TypeVar("Result")


def send(
    statement: str,
    arguments: Mapping[str, Any],
    build: Callable[[tuple[Any, ...]], Result],
) -> Sent[Result]:
    """Send a prepared statement; within `pipelined()`, without waiting for its result.

    Django's errors are raised, and Django's wrappers and log of statements see it.

    Args:
        statement: SQL with parameters as %(name)s.
        arguments: The parameters' values by name.
        build: Converts a row when it is read.
    """
    connection: Any = connections["default"]
    connection.ensure_connection()
    connection.validate_no_broken_transaction()
    execute = partial(_execute, build=build)
    for wrapper in reversed(connection.execute_wrappers):
        execute = partial(wrapper, execute)
    if not connection.queries_logged:
        return execute(statement, arguments, False, {"connection": connection})
    began = perf_counter()
    try:
        return execute(statement, arguments, False, {"connection": connection})
    finally:
        seconds = f"{perf_counter() - began:.3f}"
        connection.queries_log.append({"sql": statement, "time": seconds})


def _execute(
    statement: str,
    arguments: Mapping[str, Any],
    many: bool,
    context: Mapping[str, Any],
    *,
    build: Callable[[tuple[Any, ...]], Result],
) -> Sent[Result]:
    return context["connection"].send(statement, arguments, build)


def run(statement: str, arguments: Mapping[str, Any]) -> None:
    """Run a prepared statement, of which no result is read."""
    send(statement, arguments, tuple)


def rows_of(statement: str, arguments: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    """Run a prepared statement and return its rows."""
    return list(send(statement, arguments, tuple))


def row_of(statement: str, arguments: Mapping[str, Any]) -> tuple[Any, ...] | None:
    """Run a prepared statement and return its first row, or None."""
    return send(statement, arguments, tuple).first()


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
        return iter(send(self._statement, parameters, tuple))

    def first(self, **parameters: Any) -> Row | None:
        """Return the first row as a model object with annotations, or None if there are no rows."""
        return self.send(**parameters).first()

    def all(self, **parameters: Any) -> Iterator[Row]:
        """Yield the rows as model objects with the query's annotations."""
        return iter(self.send(**parameters))

    def send(self, **parameters: Any) -> Sent[Row]:
        """Send the query; within `pipelined()`, without waiting for its result."""
        return send(self._statement, parameters, self._object)

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
        deferred, _ = queryset.query.deferred_loading
        fields = [
            field.attname
            for field in queryset.model._meta.concrete_fields
            if field.name not in deferred
        ]
        annotations = [*queryset.query.annotation_select, *self._afterwards]
        return queryset.model, fields, annotations

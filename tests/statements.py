"""Which statements run. Django's own log does not know the text of prepared ones."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection


@contextmanager
def recorded() -> Iterator[list[tuple[str, Any]]]:
    """The statements that run on Django's connection in the block, with their parameters."""
    statements: list[tuple[str, Any]] = []

    def record(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        statements.append((sql, params))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(record):
        yield statements

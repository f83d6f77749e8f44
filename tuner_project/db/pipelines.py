"""Pipelines: statements that are sent without waiting for the result of each.

A network round trip to PostgreSQL takes as long as one of its statements, or longer. In a pipeline
there is one for each place where results are read, and one at the end. See
https://www.postgresql.org/docs/current/libpq-pipeline-mode.html.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connections, transaction


@contextmanager
def pipelined() -> Iterator[None]:
    """Send the statements of the block without waiting for the result of each.

    An error in one of them is raised at the end of the block at the latest. A nested block joins
    the outer one: only the outermost block waits for results. Statements of the ORM are waited for.
    """
    connection: Any = connections["default"]
    connection.ensure_connection()
    if connection.connection.is_pipelined:
        yield
        return
    with connection.wrap_database_errors, connection.connection.pipeline():
        yield


@contextmanager
def pipelined_transaction() -> Iterator[None]:
    """Run the block in a transaction whose BEGIN and COMMIT cost no round trip of their own.

    Like `transaction.atomic()`, which it uses, it rolls back if the block raises, and within
    another transaction it is a savepoint, before whose end all results are read.
    """
    if connections["default"].in_atomic_block:
        with transaction.atomic(), pipelined():
            yield
    else:
        with pipelined(), transaction.atomic():
            yield

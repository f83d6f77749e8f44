"""Statements that are sent without psycopg's cursors."""

import math
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from django.db import DatabaseError, DataError, connection, transaction

from tuner_project.db.database import close_pool
from tuner_project.db.pipelines import pipelined, pipelined_transaction
from tuner_project.db.pool import PoolConnection
from tuner_project.db.prepared import row_of, rows_of, run, send
from tuner_project.db.statements import MAX_PREPARED, statement

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _new_connections(transactional_db: None) -> Iterator[None]:
    """Let no test see what another one has prepared."""
    close_pool()
    yield
    close_pool()


def prepared() -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT statement FROM pg_prepared_statements ORDER BY name")
        return [text for (text,) in cursor.fetchall()]


def test_parameters_are_numbered_by_name() -> None:
    found = statement("SELECT %(a)s, %(b)s, %(a)s, 7 %% 4")
    assert (found.sql, found.names) == (b"SELECT $1, $2, $1, 7 % 4", ("a", "b"))


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("int", 5),
        ("int", None),
        ("bigint", -(2**62)),
        ("float8", 0.1),
        ("float8", math.inf),
        ("bool", True),
        ("text", 'it\'s "quoted", \\ and %(not)s a parameter'),
        ("int[]", [1, 2]),
        ("int[]", []),
        ("float8[]", [0.5, -math.inf]),
        ("text[]", ["a,b", 'c"d', "{}"]),
        ("uuid", UUID(int=7)),
        ("timestamptz", datetime(2026, 1, 2, 3, 4, 5, 678, UTC)),
    ],
)
@pytest.mark.parametrize("is_preparing", [True, False])
def test_values_arrive_and_return(
    kind: str, value: Any, is_preparing: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PoolConnection, "is_preparing", is_preparing)
    for _ in range(3):
        assert row_of(f"SELECT %(value)s::{kind}", {"value": value}) == (value,)
    assert len(prepared()) == int(is_preparing)


def test_rows_of_any_number_are_converted() -> None:
    numbers = [n for (n,) in rows_of("SELECT generate_series(1, %(n)s)", {"n": 1234})]
    assert numbers == list(range(1, 1235))


def test_rows_of_two_results_are_read_in_turns() -> None:
    with pipelined():
        numbers = iter(send("SELECT generate_series(1, 300)", {}, tuple))
        texts = iter(send("SELECT 'x' FROM generate_series(1, 300)", {}, tuple))
        assert [(next(numbers)[0], next(texts)[0]) for _ in range(300)] == [
            (n, "x") for n in range(1, 301)
        ]


def test_prepared_statements_survive_a_rollback() -> None:
    with pytest.raises(ZeroDivisionError), pipelined_transaction():
        run("SELECT 1", {})
        raise ZeroDivisionError
    assert prepared() == ["SELECT 1"]


def test_few_statements_stay_prepared() -> None:
    for n in range(MAX_PREPARED + 20):
        run(f"SELECT {n}", {})
    run("SELECT 25", {})
    texts = prepared()
    assert len(texts) == MAX_PREPARED
    assert "SELECT 25" in texts
    assert "SELECT 0" not in texts


@pytest.mark.parametrize("is_pipelined", [True, False])
def test_statement_works_again_after_its_table_was_changed(is_pipelined: bool) -> None:
    """PostgreSQL refuses a prepared statement whose result has another type now."""
    run("CREATE TEMPORARY TABLE changing (a int)", {})
    read = "SELECT * FROM changing"
    assert rows_of(read, {}) == []
    run("ALTER TABLE changing ADD b int DEFAULT 2", {})
    run("INSERT INTO changing (a) VALUES (1)", {})
    with pytest.raises(DatabaseError, match="cached plan must not change result type"):
        if is_pipelined:
            with pipelined_transaction():
                rows_of(read, {})
        else:
            rows_of(read, {})
    assert rows_of(read, {}) == [(1, 2)]


def test_failed_statement_stops_what_follows_in_its_pipeline() -> None:
    run("CREATE TEMPORARY TABLE written (a int)", {})
    with pytest.raises(DataError), pipelined_transaction():
        run("INSERT INTO written VALUES (1)", {})
        run("SELECT 1 / %(zero)s", {"zero": 0})
        run("INSERT INTO written VALUES (2)", {})
    assert rows_of("SELECT a FROM written", {}) == []
    with transaction.atomic():
        run("INSERT INTO written VALUES (3)", {})
    assert rows_of("SELECT a FROM written", {}) == [(3,)]


def test_orm_knows_in_a_pipeline_how_many_rows_it_changed() -> None:
    run("CREATE TEMPORARY TABLE counted AS SELECT generate_series(1, 3) AS a", {})
    with pipelined_transaction(), connection.cursor() as cursor:
        run("INSERT INTO counted VALUES (4)", {})
        cursor.execute("UPDATE counted SET a = a + 1")
        assert cursor.rowcount == 4

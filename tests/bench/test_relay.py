"""The relay counts the waits of real connections, delays them, and cuts them."""

import time
from collections.abc import Callable, Iterator

import psycopg
import pytest
from django.db import connection

from bench.relay import Relay, relay, target_of
from bench.turn_counter import MessageTypes
from tests.support.database import database_url

pytestmark = pytest.mark.django_db

Connection = psycopg.Connection[tuple[object, ...]]


def _url() -> str:
    return database_url(connection.settings_dict["NAME"])


def _connect(through: Relay, *, autocommit: bool = True) -> Connection:
    return psycopg.connect(through.url(_url()), autocommit=autocommit)


@pytest.fixture
def running(db: None) -> Iterator[Relay]:
    with relay(*target_of(_url())) as running:
        yield running


@pytest.fixture
def client(running: Relay) -> Iterator[Connection]:
    with _connect(running) as client:
        yield client


def _turns(through: Relay, action: Callable[[], object]) -> int:
    through.reset()
    action()
    return through.turns()


def _pipeline(client: Connection, n: int) -> None:
    with client.pipeline():
        cursors = [client.execute("SELECT %s::int", [i]) for i in range(n)]
    assert [cursor.fetchone() for cursor in cursors] == [(i,) for i in range(n)]


def _fetch_in_pipeline(client: Connection, n: int) -> None:
    """Wait for each result before the next statement, as a dependent statement must."""
    with client.pipeline():
        for i in range(n):
            assert client.execute("SELECT %s::int", [i]).fetchone() == (i,)


def test_start_of_connection_is_not_counted(running: Relay) -> None:
    with _connect(running):
        assert running.turns() == 0


@pytest.mark.parametrize("statement", ["SELECT 1", "SELECT 1; SELECT 2", ""])
def test_simple_statement_is_one_turn(running: Relay, client: Connection, statement: str) -> None:
    assert _turns(running, lambda: client.execute(statement)) == 1


def test_statement_is_a_turn_more_when_it_is_prepared(running: Relay, client: Connection) -> None:
    def select() -> None:
        client.execute("SELECT %s::int", [1], prepare=True)

    assert [_turns(running, select) for _ in range(3)] == [2, 1, 1]


def test_large_result_is_one_turn(running: Relay, client: Connection) -> None:
    large = "SELECT repeat('x', 100000) FROM generate_series(1, 100)"
    assert _turns(running, lambda: client.execute(large)) == 1


def test_large_parameter_is_one_turn(running: Relay, client: Connection) -> None:
    large = ["x" * 5_000_000]
    assert _turns(running, lambda: client.execute("SELECT length(%s)", large)) == 1


@pytest.mark.parametrize("n", [1, 5, 200])
def test_pipeline_is_one_turn(running: Relay, client: Connection, n: int) -> None:
    assert _turns(running, lambda: _pipeline(client, n)) == 1


def test_pipeline_that_begins_transaction_is_two_turns(running: Relay) -> None:
    """psycopg waits for its BEGIN within the pipeline."""
    with _connect(running, autocommit=False) as client:
        assert _turns(running, lambda: _pipeline(client, 5)) == 2
        assert _turns(running, lambda: _pipeline(client, 5)) == 1


def test_result_that_is_awaited_within_pipeline_is_a_turn(
    running: Relay, client: Connection
) -> None:
    # The last one is the end of the pipeline, whose Sync is awaited, too.
    assert _turns(running, lambda: _fetch_in_pipeline(client, 3)) == 4


def test_transaction_without_pipeline_is_a_turn_a_statement(
    running: Relay, client: Connection
) -> None:
    def transaction() -> None:
        with client.transaction():
            client.execute("SELECT 1")

    assert _turns(running, transaction) == 3


def test_error_is_one_turn(running: Relay, client: Connection) -> None:
    def fail() -> None:
        with pytest.raises(psycopg.errors.DivisionByZero):
            client.execute("SELECT 1 / %s::int", [0])

    assert _turns(running, fail) == 1


def test_error_in_pipeline_is_one_turn(running: Relay, client: Connection) -> None:
    def fail() -> None:
        with pytest.raises(psycopg.errors.DivisionByZero), client.pipeline():
            for divisor in (1, 0, 1):
                client.execute("SELECT 1 / %s::int", [divisor])

    assert _turns(running, fail) == 1
    assert _turns(running, lambda: client.execute("SELECT 1")) == 1


def test_copy_waits_for_the_server_twice(running: Relay, client: Connection) -> None:
    client.execute("CREATE TEMPORARY TABLE copied (x int)")

    def copy() -> None:
        with client.cursor().copy("COPY copied FROM STDIN") as rows:
            for i in range(1000):
                rows.write_row([i])

    assert _turns(running, copy) == 2
    assert client.execute("SELECT count(*) FROM copied").fetchone() == (1000,)


def test_turns_are_counted_for_each_connection(running: Relay, client: Connection) -> None:
    running.reset()
    with _connect(running) as second:
        client.execute("SELECT 1")
        second.execute("SELECT 1")
        second.execute("SELECT 1")
        assert running.turns_by_connection() == [1, 2]
    assert running.turns() == 3


def test_round_trip_is_added_to_each_turn(db: None) -> None:
    with relay(*target_of(_url()), round_trip=0.05) as slow, _connect(slow) as client:
        begun = time.perf_counter()
        _pipeline(client, 5)
        client.execute("SELECT 1")
        assert time.perf_counter() - begun >= 2 * 0.05


@pytest.mark.parametrize("abruptly", [True, False])
def test_cut_ends_connections_and_accepts_new_ones(
    running: Relay, client: Connection, abruptly: bool
) -> None:
    running.cut(abruptly=abruptly)
    with pytest.raises(psycopg.OperationalError):
        client.execute("SELECT 1")
    with _connect(running) as again:
        assert again.execute("SELECT 1").fetchone() == (1,)


def test_cut_ends_statement_that_runs(running: Relay, client: Connection) -> None:
    client.pgconn.send_query(b"SELECT pg_sleep(1)")
    running.cut()
    result = client.pgconn.get_result()
    assert result is not None
    assert result.status == psycopg.pq.ExecStatus.FATAL_ERROR


def test_client_without_server_is_refused() -> None:
    with (
        relay("/nowhere", 5432) as running,
        pytest.raises(psycopg.OperationalError, match="closed the connection"),
    ):
        psycopg.connect(host="127.0.0.1", port=running.port)


@pytest.mark.parametrize("size", [1, 3, 5, 100])
def test_messages_are_found_however_they_are_cut(size: int) -> None:
    stream = b"".join(
        kind + (4 + len(body)).to_bytes(4) + body
        for kind, body in [(b"P", b"abc"), (b"S", b""), (b"D", bytes(20)), (b"H", b"")]
    )
    types = MessageTypes()
    chunks = [stream[at : at + size] for at in range(0, len(stream), size)]
    assert [kind for chunk in chunks for kind in types.of(chunk)] == [b"P", b"S", b"D", b"H"]

"""Whether the next request of a connection follows at once."""

import socket
from collections.abc import Iterator

import pytest
from gunicorn.config import Config

from tuner_project.serving.slow_clients import TimedConnection

HEAD = b"GET /api/v1/health HTTP/1.1\r\nHost: localhost\r\n\r\n"
SECONDS = 5  # a machine may be slow; nothing is waited for that long here
Ends = tuple[TimedConnection, socket.socket]


@pytest.fixture
def ends() -> Iterator[Ends]:
    server, client = socket.socketpair()
    connection = TimedConnection(Config(), server, ("127.0.0.1", 1), ("127.0.0.1", 2))
    with client:
        yield connection, client
    connection.close()


def test_head_that_has_arrived_is_found_and_kept(ends: Ends) -> None:
    connection, client = ends
    client.sendall(HEAD)
    assert connection.has_next_head(SECONDS)
    assert connection.head == HEAD


def test_silent_client_is_not_waited_for(ends: Ends) -> None:
    connection, _ = ends
    assert not connection.has_next_head(0.001)


def test_part_of_a_head_is_kept_for_the_main_loop(ends: Ends) -> None:
    connection, client = ends
    client.sendall(HEAD[:20])
    assert not connection.has_next_head(SECONDS)
    assert connection.head == HEAD[:20]
    client.sendall(HEAD[20:])
    assert connection.has_head()


def test_closed_connection_has_no_next_head(ends: Ends) -> None:
    connection, client = ends
    client.close()
    assert not connection.has_next_head(SECONDS)
    assert connection.is_over

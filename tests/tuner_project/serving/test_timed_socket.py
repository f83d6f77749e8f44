"""The socket of a connection: what it sends when, and what it counts of the client's time."""

import socket
from collections.abc import Iterator

import pytest
from pytest_django import Settings

from tuner_project.serving.slow_clients import ClientTooSlow, TimedSocket

HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n"
Ends = tuple[TimedSocket, socket.socket]


@pytest.fixture
def ends(settings: Settings) -> Iterator[Ends]:
    """A connection of the service, and its client's end, which does not block."""
    settings.CLIENT_TIMEOUT = 1
    server, client = socket.socketpair()
    timed = TimedSocket(fileno=server.detach())
    timed.renew()
    client.setblocking(False)
    with timed, client:
        yield timed, client


def received(client: socket.socket) -> bytes | None:
    """What has arrived at the client."""
    try:
        return client.recv(10_000)
    except BlockingIOError:
        return None


def test_head_is_sent_with_its_body(ends: Ends) -> None:
    timed, client = ends
    timed.sendall(HEAD)
    assert received(client) is None
    timed.sendall(b"body")
    assert received(client) == HEAD + b"body"


def test_only_the_beginning_of_a_response_is_held_back(ends: Ends) -> None:
    timed, client = ends
    timed.sendall(HEAD)
    timed.sendall(b"a\r\n\r\n")
    assert received(client) == HEAD + b"a\r\n\r\n"
    timed.sendall(b"0\r\n\r\n")
    assert received(client) == b"0\r\n\r\n"


def test_head_without_a_body_is_flushed(ends: Ends) -> None:
    timed, client = ends
    timed.sendall(HEAD)
    timed.flush()
    timed.flush()
    assert received(client) == HEAD
    timed.renew()
    timed.sendall(HEAD)
    assert received(client) is None


def test_head_is_sent_before_a_thread_waits_for_the_client(ends: Ends) -> None:
    timed, client = ends
    timed.sendall(HEAD)
    with pytest.raises(ClientTooSlow):
        timed.recv(10)
    assert received(client) == HEAD


@pytest.mark.parametrize("timeout", [None, 5.0])
def test_client_that_sends_nothing_is_too_slow(ends: Ends, timeout: float | None) -> None:
    timed, client = ends
    timed.settimeout(timeout)
    client.send(b"abc")
    assert timed.recv(10) == b"abc"
    with pytest.raises(ClientTooSlow):
        timed.recv(10)
    assert timed.gettimeout() == timeout


def test_client_that_reads_nothing_is_too_slow(ends: Ends) -> None:
    timed, _ = ends
    with pytest.raises(ClientTooSlow):
        timed.sendall(b"x" * 50_000_000)
    assert timed.is_unread


def test_large_response_arrives_whole(ends: Ends) -> None:
    timed, client = ends
    timed.settimeout(0.0)
    timed.setblocking(True)
    body = bytes(range(256)) * 400
    timed.sendall(HEAD)
    timed.sendall(body)
    arrived = b""
    while len(arrived) < len(HEAD + body):
        arrived += received(client) or b""
    assert arrived == HEAD + body


def test_main_loop_does_not_wait(ends: Ends) -> None:
    timed, client = ends
    timed.setblocking(False)
    with pytest.raises(BlockingIOError):
        timed.recv(10)
    client.send(b"abc")
    assert timed.recv(10) == b"abc"

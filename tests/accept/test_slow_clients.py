"""Slow clients, many more than there are threads, and one fast client beside them.

Each kind of slowness is tested alone: the head is not sent, the body is not sent, the answer is not
read. Afterwards the service has closed every connection.
"""

import json
import socket
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.support.http_client import HttpClient, connect, read_answer, trials_path
from tests.support.service import Service, running_service

pytestmark = pytest.mark.accept

THREADS = 2
SLOW = 5 * THREADS
CLIENT_TIMEOUT = 2  # seconds
# A healthy client waits while threads wait for those before it, in turns, and a while besides.
SECONDS_TO_WAIT = CLIENT_TIMEOUT * (SLOW // THREADS + 1) + 20
SPACE = [{"type": "float", "name": "x", "low": 0.0, "high": 1.0}]
HOST = b"Host: localhost\r\nConnection: close\r\n"
JSON = b"Content-Type: application/json\r\n"


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    variables = {
        "WEB_WORKERS": "1",
        "WEB_THREADS": str(THREADS),
        "CLIENT_TIMEOUT": str(CLIENT_TIMEOUT),
        "WEB_WAITING_TIMEOUT": "60",  # each comes to its turn
    }
    with running_service(variables) as service:
        with HttpClient(service.port) as client:
            client.create_study(name="large", search_space=SPACE)
            trial = {"params": {"x": 0.5}, "state": "COMPLETE", "values": 1.0}
            trial["user_attrs"] = {f"a{n}": "x" * 1000 for n in range(10)}
            for _ in range(12):  # 10 MB altogether
                client.call("POST", trials_path("large"), [trial] * 80).expect(201)
        yield service


def slow_head(service: Service) -> socket.socket:
    connection = connect(service.port)
    connection.sendall(b"GET /api/v1/health HTTP/1.1\r\nHost: local")
    return connection


def slow_body(service: Service) -> socket.socket:
    connection = connect(service.port)
    head = b"POST /api/v1/studies HTTP/1.1\r\n" + HOST + JSON + b"Content-Length: 1000\r\n\r\n"
    connection.sendall(head + b'{"name": ')
    return connection


def unread(path: bytes) -> Callable[[Service], socket.socket]:
    def ask(service: Service) -> socket.socket:
        connection = connect(service.port, receive_buffer=4096)
        connection.sendall(b"GET " + path + b" HTTP/1.1\r\n" + HOST + b"\r\n")
        return connection

    return ask


@pytest.mark.parametrize(
    ("slow", "status"),
    [
        (slow_head, [408]),
        (slow_body, [408]),
        (unread(b"/static/optuna_dashboard/bundle.js"), [200]),
        # One caller's exports hold half of the threads; the others are refused at once.
        (unread(b"/api/v1/studies/large/export"), [200, 429]),
    ],
    ids=["head", "body", "file", "export"],
)
def test_slow_clients_do_not_block_others(
    service: Service, slow: Any, status: list[int], record_property: Any
) -> None:
    connections = [slow(service) for _ in range(SLOW)]
    time.sleep(0.3)
    began = time.monotonic()
    with HttpClient(service.port) as client:
        assert client.get("/studies/large")["n_trials"] == 960
    waited = time.monotonic() - began
    record_property("found", f"a healthy client waited {waited:.2f} s beside {SLOW} slow ones")
    assert waited < SECONDS_TO_WAIT

    deadline = time.monotonic() + SECONDS_TO_WAIT
    while established(service) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert established(service) == 0
    for connection in connections:
        answer = read_answer(connection)
        assert answer.status in status
        if slow is slow_body:
            assert json.loads(answer.text.split(b"\r\n\r\n")[1])["code"] == "body_timeout"
        connection.close()


def established(service: Service) -> int:
    """How many connections the service itself has not closed."""
    return sum(
        each.status == "ESTABLISHED" and each.laddr.port == service.port
        for worker in service.web_workers()
        for each in worker.net_connections("tcp")
    )


def test_trickling_body_is_ended_too(service: Service) -> None:
    """A byte now and then does not renew the time limit."""
    connection = slow_body(service)
    began = time.monotonic()
    sent = 0
    try:
        while time.monotonic() - began < 10 * CLIENT_TIMEOUT:
            connection.sendall(b" ")
            sent += 1
            time.sleep(CLIENT_TIMEOUT / 8)
    except (BrokenPipeError, ConnectionResetError):
        pass
    assert sent < 40
    connection.close()


def test_slow_but_steady_client_is_served(service: Service) -> None:
    """An import at twice the least rate takes longer than the timeout, and is taken."""
    with HttpClient(service.port) as client:
        lines = client._pool.request("GET", "/api/v1/studies/large/export").data[: 2**20]
    connection = connect(service.port)
    head = b"POST /api/v1/studies/import?conflict=rename HTTP/1.1\r\n" + HOST
    head += b"Content-Type: application/x-ndjson\r\nContent-Length: %d\r\n\r\n" % len(lines)
    connection.sendall(head)
    for start in range(0, len(lines), 2**14):
        connection.sendall(lines[start : start + 2**14])
        time.sleep(2**14 / 2**17)
    connection.shutdown(socket.SHUT_WR)
    answer = read_answer(connection)
    assert answer.status == 400  # the file was cut, which is known at its end
    assert b"it is not valid JSON" in answer.text or b"it was cut" in answer.text
    connection.close()

"""Graceful shutdown, with and without requests in flight."""

import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
import urllib3

from tests.support import X_SPACE
from tests.support.http_client import (
    BackgroundRequests,
    HttpClient,
    background_requests,
    error_codes,
)
from tests.support.service import SINGLE_THREAD_SETTINGS, Service, locked_studies, running_service

pytestmark = pytest.mark.accept


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with running_service(SINGLE_THREAD_SETTINGS) as service:
        yield service


@pytest.fixture
def running(service: Service) -> Service:
    """The service, which a test may have stopped."""
    if not service.is_ready():
        service.start()
    return service


@pytest.fixture
def background(running: Service) -> Iterator[BackgroundRequests]:
    with background_requests(running.port) as background:
        yield background


def test_stop_finishes_requests_in_flight_and_refuses_others(
    running: Service, background: BackgroundRequests
) -> None:
    with locked_studies(running), HttpClient(running.port) as kept:
        assert kept.call("GET", "/health").status == 200
        first = background.occupy_thread()
        waiting = background.send(
            "POST", "/studies", {"name": "in flight", "search_space": X_SPACE}
        )
        time.sleep(0.5)
        running.master.terminate()
        running.wait_until(lambda: not is_open(running.port), "closed")
        assert running.master.status() != "zombie"
        assert not first.done()
    assert error_codes([first, waiting]) == ["", ""]
    running.reap()
    running.start()
    assert background.send("GET", "/studies/in%20flight").result(10).status == 200


def is_open(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5):
            return True
    except ConnectionRefusedError:
        return False


@pytest.mark.parametrize("connect", [None, b""])
def test_idle_service_stops_with_open_connections(
    running: Service, connect: bytes | None, record_property: Callable[[str, Any], None]
) -> None:
    with ExitStack() as stack:
        pool = urllib3.HTTPConnectionPool("127.0.0.1", running.port, maxsize=1, retries=False)
        stack.callback(pool.close)
        assert pool.request("GET", "/api/v1/health").status == 200  # which it keeps
        if connect is not None:
            half = stack.enter_context(socket.create_connection(("127.0.0.1", running.port)))
            half.sendall(connect)
            time.sleep(0.5)
        workers = running.web_workers()
        began = time.monotonic()
        assert running.end(signal.SIGTERM) == 0
        found = f"stopped after {time.monotonic() - began:.1f} s, PostgreSQL included"
        record_property("found", found)
        assert not any(worker.is_running() for worker in workers)
    running.start()

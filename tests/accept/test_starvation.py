"""One study's slow asks, or one caller's heavy requests, do not starve others' light requests.

For each kind of load, clients send it in a loop, and wait as `Retry-After` says. Beside them one
client asks for trials of another study, completes them and reads.
"""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import numpy as np
import pytest

from tests.support.http_client import HttpClient, connect, trials_path
from tests.support.service import Service, running_service

pytestmark = pytest.mark.accept

SECONDS = 15  # of each kind of load
LIGHT = "/studies/light/trials"
MOST = 1.0  # second, of 95 % of the light requests
SPACE = [{"type": "float", "name": f"x{n}", "low": 0.0, "high": 1.0} for n in range(12)]


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with running_service({}) as service, HttpClient(service.port) as client:
        for name, sampler, n in (("slow", "gp", 400), ("large", "random", 6000)):
            client.create_study(name=name, search_space=SPACE, sampler=sampler, pruner="none")
            record(client, name, n)
        client.create_study(name="light", search_space=SPACE, sampler="random", pruner="none")
        yield service


def record(client: HttpClient, name: str, n: int) -> None:
    points = np.random.default_rng(0).random((n, len(SPACE)))
    trials = [
        {
            "params": {f"x{i}": x for i, x in enumerate(point.tolist())},
            "state": "COMPLETE",
            "values": float(((point - 0.3) ** 2).sum()),
            "user_attrs": {"log": "x" * 500},
        }
        for point in points
    ]
    for start in range(0, n, 200):
        client.call("POST", trials_path(name), trials[start : start + 200]).expect(201)


def heavy(method: str, path: str) -> Callable[[Service, threading.Event], None]:
    """A client that sends a request again and again."""

    def send(service: Service, is_over: threading.Event) -> None:
        with HttpClient(service.port) as client:
            while not is_over.is_set():
                answer = client.call(method, path)
                assert answer.status in (200, 429, 503), answer
                assert answer.status == 200 or answer.retry_after >= 1
                is_over.wait(answer.retry_after)

    return send


def unread_export(service: Service, is_over: threading.Event) -> None:
    """A client that asks for an export and does not read it."""
    while not is_over.is_set():
        with connect(service.port, receive_buffer=4096) as connection, suppress(OSError):
            connection.sendall(
                b"GET /api/v1/studies/large/export HTTP/1.1\r\nHost: localhost\r\n\r\n"
            )
            connection.settimeout(SECONDS)
            is_refused = b" 429 " in connection.recv(64)
            is_over.wait(1 if is_refused else SECONDS)


@pytest.mark.parametrize(
    ("load", "n"),
    [
        (heavy("POST", "/studies/slow/trials/suggest"), 16),
        (heavy("GET", "/studies/large/importance"), 24),
        (heavy("GET", "/studies/large/plots/parallel_coordinate"), 24),
        (heavy("GET", "/studies/large/trials?limit=1000"), 24),
        (unread_export, 16),
    ],
    ids=["asks", "importance", "plots", "lists", "exports"],
)
def test_light_requests_are_served_beside_heavy_ones(
    service: Service, load: Callable[[Service, threading.Event], None], n: int
) -> None:
    is_over = threading.Event()
    with ThreadPoolExecutor(n) as pool:
        clients = [pool.submit(load, service, is_over) for _ in range(n)]
        try:
            time.sleep(1)  # all threads would be held by now
            seconds = light_requests(service)
        finally:
            is_over.set()
        for client in clients:
            client.result()
    p95 = float(np.quantile(seconds, 0.95))
    print(f"{len(seconds)} light requests: p95 {p95:.3f} s, slowest {max(seconds):.3f} s")
    assert p95 < MOST


def light_requests(service: Service) -> list[float]:
    """Send light requests for a while, none of which fails, and return how long each took."""
    seconds: list[float] = []

    def timed(method: str, path: str, body: Any = None) -> Any:
        began = time.monotonic()
        answer = client.call(method, path, body).expect(200)
        seconds.append(time.monotonic() - began)
        return answer

    end = time.monotonic() + SECONDS
    with HttpClient(service.port) as client:
        while time.monotonic() < end:
            number = timed("POST", f"{LIGHT}/suggest")["trial_id"]
            trial = f"{LIGHT}/{number}"
            timed("POST", f"{trial}/complete", {"values": 0.5})
            timed("GET", "/studies/light")
            timed("GET", trial)
            timed("GET", "/studies/light/best")
    return seconds

"""HTTP clients of a service in processes of its own: JSON, requests in the background, raw bytes.

Processes of workers import this module, which needs neither Django nor Optuna.
"""

import json
import socket
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import urllib3

SECONDS_TO_ANSWER = 300  # a Gaussian process takes its time, and eight workers queue for it
SECONDS_FOR_BYTES = 30  # until something must have come back on a socket


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def study_path(study: str) -> str:
    return f"/studies/{quote(study, safe='')}"


def trials_path(study: str) -> str:
    return f"{study_path(study)}/trials"


# JSON -------------------------------------------------------------------------------------


class UnexpectedAnswer(Exception):
    """Another status than the expected one; it can be passed between processes."""


@dataclass(frozen=True)
class Answer:
    status: int
    body: Any
    retry_after: float = 0.0  # seconds

    def expect(self, status: int) -> Any:
        if self.status != status:
            raise UnexpectedAnswer(f"expected {status}, not {self.status}: {self.body!s:.500}")
        return self.body


class HttpClient:
    """One worker's keep-alive connection to the API. Failures are urllib3's `HTTPError`."""

    def __init__(self, port: int) -> None:
        self._pool = urllib3.HTTPConnectionPool(
            "127.0.0.1", port, maxsize=1, retries=False, timeout=SECONDS_TO_ANSWER
        )

    def __enter__(self) -> "HttpClient":
        return self

    def __exit__(self, *error: object) -> None:
        self._pool.close()

    def call(self, method: str, path: str, body: Any = None) -> Answer:
        response = self._pool.request(
            method,
            f"/api/v1{path}",
            body=None if body is None else json.dumps(body),
            headers={"Content-Type": "application/json"},
        )
        is_json = "json" in response.headers.get("Content-Type", "")  # a proxy answers HTML
        body = response.json() if is_json and response.data else response.data.decode() or None
        return Answer(response.status, body, float(response.headers.get("Retry-After", 0)))

    def get(self, path: str) -> Any:
        return self.call("GET", path).expect(200)

    def create_study(self, **definition: Any) -> Any:
        return self.call("POST", "/studies", definition).expect(201)

    def suggest(self, study: str) -> Any:
        """Ask for a trial, and again as long as the study's sampler is busy with other asks."""
        while True:
            answer = self.call("POST", f"{trials_path(study)}/suggest")
            if answer.status != 503 or answer.body["code"] != "study_busy":
                return answer.expect(200)
            time.sleep(answer.retry_after)

    def complete(self, study: str, number: int, **result: Any) -> Any:
        path = f"{trials_path(study)}/{number}/complete"
        return self.call("POST", path, result).expect(200)

    def prune(self, study: str, number: int) -> Any:
        return self.call("POST", f"{trials_path(study)}/{number}/prune").expect(200)

    def all_trials(self, study: str) -> list[Any]:
        """Every trial, page by page; a page may end early."""
        trials: list[Any] = []
        while page := self.get(f"{trials_path(study)}?limit=1000&offset={len(trials)}"):
            trials += page
        return trials


def is_ready(port: int) -> bool:
    try:
        with HttpClient(port) as client:
            return client.call("GET", "/ready").status == 200
    except urllib3.exceptions.HTTPError:
        return False


# In the background ------------------------------------------------------------------------


class BackgroundRequests:
    """Requests that nothing waits for, each on a connection of its own."""

    def __init__(self, port: int, pool: ThreadPoolExecutor) -> None:
        self._port = port
        self._pool = pool

    def send(self, method: str, path: str, body: Any = None) -> Future[Answer]:
        def call() -> Answer:
            with HttpClient(self._port) as client:
                return client.call(method, path, body)

        return self._pool.submit(call)

    def occupy_thread(self) -> Future[Answer]:
        """Send a request that waits for the studies' table; it has its thread on return."""
        future = self.send("GET", "/studies")
        time.sleep(0.5)
        return future


@contextmanager
def background_requests(port: int) -> Iterator[BackgroundRequests]:
    with ThreadPoolExecutor(20) as pool:
        yield BackgroundRequests(port, pool)


def error_codes(answers: list[Future[Answer]]) -> list[str]:
    """The code of each problem, empty for a success; a 503 says when to retry."""
    found = [answer.result(60) for answer in answers]
    assert all(answer.retry_after > 0 for answer in found if answer.status == 503)
    return [answer.body["code"] if answer.status >= 400 else "" for answer in found]


# Bytes ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class RawAnswer:
    """The first answer on a connection; status 0 where it was closed without one."""

    status: int
    text: bytes


def connect(port: int, receive_buffer: int | None = None) -> socket.socket:
    connection = socket.socket()
    if receive_buffer is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    connection.settimeout(SECONDS_FOR_BYTES)
    connection.connect(("127.0.0.1", port))
    return connection


def send_bytes(port: int, request: bytes, *, is_whole: bool = True) -> RawAnswer:
    """Send these bytes and read the answer; with `is_whole` the client sends no more of them.

    Raises `TimeoutError` where the connection hangs.
    """
    with connect(port) as connection:
        try:
            connection.sendall(request)
            if is_whole:
                connection.shutdown(socket.SHUT_WR)
        except (BrokenPipeError, ConnectionResetError):
            pass  # it was refused before its end, and the answer may be there
        return read_answer(connection)


def read_answer(connection: socket.socket) -> RawAnswer:
    """Read until the other side closes; the status is on the first line."""
    received = b""
    try:
        while data := connection.recv(65536):
            received += data
    except ConnectionResetError:
        pass
    words = received.split(b"\r\n", 1)[0].split(b" ")
    is_http = len(words) > 1 and words[0].startswith(b"HTTP/1.")
    return RawAnswer(int(words[1]) if is_http else 0, received)

"""Repetition of requests, errors, and what travels with each request."""

import asyncio
import socket
from typing import Any

import pytest

import tuner
from tests.clients.python.faulty_server import Answer, faulty_server
from tuner._wire.pauses import CAP_SECONDS
from tuner._wire.requests import Request, encode
from tuner._wire.retries import BASE_SECONDS, Attempts

LOST = Answer(0)
HEALTHY = Answer(200, {"status": "healthy"})


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tuner._wire.retries.BASE_SECONDS", 0.001)


def problem(status: int, code: str = "x", **headers: str) -> Answer:
    return Answer(status, {"code": code, "detail": "d", "status": status}, headers)


@pytest.mark.parametrize(
    "faults",
    [[LOST], [problem(408)], [problem(429)], [problem(502)], [problem(503)], [problem(504)],
     [Answer(502, "<html>Bad Gateway</html>")], [LOST, problem(503), problem(429), LOST]],
)  # fmt: skip
def test_request_is_repeated_after_a_fault(faults: list[Answer]) -> None:
    with faulty_server(*faults, HEALTHY) as server, tuner.Client(server.url) as client:
        assert client.health() == {"status": "healthy"}
        assert server.requests == [("GET", "/api/v1/health")] * (len(faults) + 1)


def test_asyncs_request_is_repeated_after_a_fault() -> None:
    async def health(url: str) -> Any:
        async with tuner.AsyncClient(url) as client:
            return await client.health()

    with faulty_server(LOST, problem(503), HEALTHY) as server:
        assert asyncio.run(health(server.url)) == {"status": "healthy"}


@pytest.mark.parametrize("fault", [LOST, problem(503)])
def test_deadline_of_zero_is_a_single_attempt(fault: Answer) -> None:
    with faulty_server(fault) as server, tuner.Client(server.url) as client:
        with pytest.raises(tuner.TunerError):
            client.transport.send(Request("GET", "/health"), deadline=0)
        assert len(server.requests) == 1


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 409, 410, 413, 418, 500, 501])
def test_other_errors_are_not_repeated(status: int) -> None:
    with faulty_server(problem(status)) as server, tuner.Client(server.url) as client:
        with pytest.raises(tuner.ApiError) as raised:
            client.health()
        assert (raised.value.status, raised.value.code) == (status, "x")


def test_missing_part_of_the_installation_is_not_repeated() -> None:
    answer = problem(503, "sampler_unavailable")
    with faulty_server(answer) as server, tuner.Client(server.url) as client:
        with pytest.raises(tuner.ApiError, match="sampler_unavailable"):
            client.health()
        assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("first", "is_repeated"),
    [(LOST, False), (problem(503), False), (problem(502), False), (problem(504), False),
     (problem(429), True), (problem(408), True)],
)  # fmt: skip
def test_request_that_must_not_run_twice_is_repeated_only_if_it_did_not_run(
    first: Answer, is_repeated: bool
) -> None:
    request = Request("POST", "/studies/s/trials", {}, is_repeatable=False)
    with faulty_server(first, HEALTHY) as server, tuner.Client(server.url) as client:
        if is_repeated:
            assert client.transport.json(request) == {"status": "healthy"}
        else:
            with pytest.raises(tuner.TunerError):
                client.transport.json(request)
        assert len(server.requests) == 1 + is_repeated


def test_service_that_cannot_be_reached_is_connection_failed() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        with tuner.Client(url, deadline=0.05) as client, pytest.raises(tuner.ConnectionFailed):
            client.health()


def test_answer_after_the_timeout_is_a_lost_one() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        client = tuner.Client(url, timeout=0.05, deadline=0.1)
        with client, pytest.raises(tuner.ConnectionFailed, match="ReadTimeout"):
            client.health()


def test_last_error_is_raised_at_the_deadline() -> None:
    answers = [problem(503, "storage_unavailable", **{"Retry-After": "60"})]
    with faulty_server(*answers) as server, tuner.Client(server.url, deadline=5) as client:
        with pytest.raises(tuner.ApiError, match="503 storage_unavailable: d") as raised:
            client.health()
        assert len(server.requests) == 1
    assert raised.value.retry_after == 60


def test_retry_after_may_be_a_date_of_the_services_clock() -> None:
    headers = {
        "Date": "Wed, 01 Jan 2020 00:00:00 GMT",
        "Retry-After": "Wed, 01 Jan 2020 00:01:30 GMT",
    }
    answer = Answer(429, {}, headers)
    with faulty_server(answer) as server, tuner.Client(server.url, deadline=1) as client:
        with pytest.raises(tuner.Busy) as raised:
            client.health()
        assert len(server.requests) == 1
    assert raised.value.retry_after == 90


def test_pauses_grow_and_differ_between_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tuner._wire.retries.BASE_SECONDS", BASE_SECONDS)
    error = tuner.ApiError(503, "x", "d")
    pauses = []
    for _ in range(200):
        attempts = Attempts(Request("GET", "/health"), seconds=1e9)
        pauses.append([attempts.pause_after_refusal(error) for _ in range(12)])
    for number, column in enumerate(zip(*pauses, strict=True)):
        limit = min(CAP_SECONDS, BASE_SECONDS * 2**number)
        assert 0 <= min(column) < 0.1 * limit
        assert 0.9 * limit < max(column) <= limit


def test_pause_is_what_retry_after_says_and_some_more() -> None:
    attempts = Attempts(Request("GET", "/health"), seconds=1e9)
    error = tuner.Busy(429, "x", "d", retry_after=2)
    pauses = [attempts.pause_after_refusal(error) for _ in range(200)]
    assert 2 <= min(pauses) < 2.2
    assert 3.8 < max(pauses) <= 4


def test_token_and_version_are_sent() -> None:
    with faulty_server(HEALTHY) as server, tuner.Client(server.url, "secret") as client:
        client.health()
        assert server.headers[0]["Authorization"] == "Bearer secret"
        assert server.headers[0]["User-Agent"] == f"tuner-client/{tuner.__version__}"


def test_service_may_have_a_path_of_its_own() -> None:
    with faulty_server(HEALTHY) as server:
        with tuner.Client(f"{server.url}/opt/api/v1/") as client:
            client.health()
        assert server.requests == [("GET", "/opt/api/v1/health")]


def test_numbers_that_json_does_not_have_are_refused_before_a_request() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        encode({"user_attrs": {"a": float("nan")}})
    with pytest.raises(TypeError, match="has no form in JSON"):
        encode({"user_attrs": {"a": object()}})


def test_errors_have_all_that_the_answer_has() -> None:
    body = {
        "status": 400, "code": "invalid", "detail": "bad",
        "errors": [{"pointer": "/name", "detail": "bad"}],
    }  # fmt: skip
    answer = Answer(400, body, {"X-Request-ID": "abc"})
    with faulty_server(answer) as server, tuner.Client(server.url) as client:
        with pytest.raises(tuner.Invalid) as raised:
            client.health()
        assert len(server.requests) == 1
    error = raised.value
    assert (error.status, error.code, error.detail) == (400, "invalid", "bad")
    assert (error.errors, error.request_id) == ((tuner.FieldError("/name", "bad"),), "abc")
    assert str(error) == "400 invalid: bad"

"""A service of one thread under load: which requests wait, and which do not."""

import time
from collections.abc import Iterator

import pytest

from tests.support import X_SPACE
from tests.support.http_client import BackgroundRequests, background_requests, error_codes
from tests.support.service import (
    MAX_WAITING,
    SINGLE_THREAD_SETTINGS,
    Service,
    count_lock_waiters,
    locked_studies,
    running_service_on_tests_server,
)


@pytest.fixture(scope="module")
def running(django_db_setup: None) -> Iterator[Service]:
    with running_service_on_tests_server(SINGLE_THREAD_SETTINGS) as service:
        yield service


@pytest.fixture
def background(running: Service) -> Iterator[BackgroundRequests]:
    with background_requests(running.port) as background:
        yield background


def test_waiting_is_bounded_and_probes_do_not_wait(
    running: Service, background: BackgroundRequests
) -> None:
    with locked_studies(running):
        first = background.occupy_thread()
        waiting = [background.send("GET", "/studies") for _ in range(MAX_WAITING)]
        time.sleep(0.5)
        refused = [background.send("GET", "/studies") for _ in range(5)]
        refused.append(background.send("POST", "/studies", {"name": "a", "search_space": X_SPACE}))
        assert error_codes(refused) == ["overloaded"] * 6
        assert background.send("GET", "/health").result(10).status == 200
        assert background.send("GET", "/ready").result(10).status == 200
        assert not any(future.done() for future in (first, *waiting))
    assert error_codes([first, *waiting]) == ["", "", ""]
    assert background.send("GET", "/studies").result(10).body == []


@pytest.mark.accept
def test_waiting_request_times_out(running: Service, background: BackgroundRequests) -> None:
    with locked_studies(running) as direct:
        first = background.occupy_thread()
        waiting = background.send("GET", "/studies")
        assert error_codes([waiting]) == ["overloaded"]
        assert not first.done()
        assert count_lock_waiters(direct) == 1
    assert error_codes([first]) == [""]

"""A service of one thread: who waits for it, and who does not."""

import time
from collections.abc import Iterator

import pytest

from tests.held_up import (
    SETTINGS_OF_ONE_THREAD,
    SPACE,
    WAITING,
    Asking,
    asking_of,
    codes,
    held_up,
    n_not_granted,
)
from tests.service import Service, running_service


@pytest.fixture(scope="module")
def running() -> Iterator[Service]:
    with running_service(SETTINGS_OF_ONE_THREAD) as service:
        yield service


@pytest.fixture
def asking(running: Service) -> Iterator[Asking]:
    with asking_of(running) as asking:
        yield asking


def test_waiting_has_a_bound_and_probes_do_not_wait(running: Service, asking: Asking) -> None:
    with held_up(running):
        first = asking.while_busy()
        waiting = [asking("GET", "/studies") for _ in range(WAITING)]
        time.sleep(0.5)
        refused = [asking("GET", "/studies") for _ in range(5)]
        refused.append(asking("POST", "/studies", {"name": "a", "search_space": SPACE}))
        assert codes(refused) == ["overloaded"] * 6
        assert asking("GET", "/health").result(10).status == 200
        assert asking("GET", "/ready").result(10).status == 200
        assert not any(future.done() for future in (first, *waiting))
    assert codes([first, *waiting]) == ["", "", ""]
    assert asking("GET", "/studies").result(10).body == []


@pytest.mark.accept
def test_waiting_has_an_end(running: Service, asking: Asking) -> None:
    with held_up(running) as direct:
        first = asking.while_busy()
        waiting = asking("GET", "/studies")
        assert codes([waiting]) == ["overloaded"]
        assert not first.done()
        assert n_not_granted(direct) == 1
    assert codes([first]) == [""]

"""Whatever is killed, what was acknowledged is there, on both sides, and nothing is there twice.

Eight workers play several studies without a break while gunicorn's workers, its master and
PostgreSQL's postmaster are killed in turn. After each kill all that they saw is compared with
what the service and stock Optuna then say.
"""

import random
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import Any

import pytest

from tests.accept.killers import kill_master, kill_postmaster, kill_web_worker
from tests.accept.ledger import GRACE, Ledger
from tests.accept.stock import load_study, stock_storage
from tests.accept.workers import SPACE, Seen, Workers, play_until_stopped, running_workers
from tests.service import Client, Service, running_service, scaled

pytestmark = pytest.mark.accept

KILLS = scaled(20, 3)
STUDIES = {"tpe 1": "tpe", "tpe 2": "tpe", "random 1": "random", "random 2": "random"}


KILLERS: list[Callable[[Service], None]] = [kill_web_worker, kill_master, kill_postmaster]


@pytest.fixture
def service() -> Iterator[Service]:
    with running_service() as service:
        yield service


@pytest.fixture
def workers() -> Iterator[Workers]:
    with running_workers() as workers:
        yield workers


def test_nothing_acknowledged_is_lost(
    service: Service, workers: Workers, record_property: Callable[[str, Any], None]
) -> None:
    ledger = Ledger(STUDIES)
    down: dict[str, list[float]] = {}
    with Client(service.port) as client:
        for name, sampler in STUDIES.items():
            client.create_study(
                name=name, direction="minimize", search_space=SPACE, sampler=sampler
            )
    for turn in range(KILLS):
        killer = KILLERS[turn % len(KILLERS)]
        seconds = _one_round(service, workers, killer, ledger)
        down.setdefault(killer.__name__, []).append(seconds)
        with Client(service.port) as client:
            n_trials = ledger.check(client)
        service.check_optuna()
        print(
            f"\n{turn + 1:3} {killer.__name__}: back in {seconds:.1f} s, {n_trials} trials", end=""
        )
    _assert_stock_optuna_agrees(service, ledger)
    for name, times in down.items():
        record_property("found", f"{name} {len(times)} times: back in {max(times):.1f} s at most")
    record_property(
        "found",
        f"{n_trials} trials; acknowledged {len(ledger.suggested)} suggestions and "
        f"{len(ledger.completed)} completions; {ledger.excused} requests failed while it was down, "
        f"after {ledger.longest_wait:.1f} s at most",
    )


def _one_round(
    service: Service, workers: Workers, killer: Callable[[Service], None], ledger: Ledger
) -> float:
    """Play, kill, recover, play on; gives the seconds until it was whole again."""
    tasks: list[Future[Seen]] = workers.start(play_until_stopped, service.port, list(STUDIES))
    try:
        time.sleep(random.uniform(2, 4))
        began = time.monotonic()
        killer(service)
        ended = time.monotonic()
        time.sleep(GRACE + 2)
    finally:
        seen = workers.finish(tasks)
    for each in seen:
        ledger.enter(each, (began, ended))
    return ended - began


def _assert_stock_optuna_agrees(service: Service, ledger: Ledger) -> None:
    with stock_storage(service) as storage:
        stock = {
            (name, trial.number): trial
            for name in STUDIES
            for trial in load_study(storage, name).trials
        }
    for key, params in ledger.suggested.items():
        assert repr(stock[key].params) == params
    for key, value in ledger.completed.items():
        assert (stock[key].state.name, stock[key].value) == ("COMPLETE", value)

"""After any kill, acknowledged changes are stored once and in both schemas.

Eight workers play several studies without a break while gunicorn's workers, its master and
PostgreSQL's postmaster are killed in turn. After each kill the acknowledged answers are compared
with what the service and stock Optuna read.
"""

import random
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import Any

import optuna
import pytest

from tests.support import scaled
from tests.support.http_client import HttpClient
from tests.support.optuna_oracle import rdb_storage_at
from tests.support.service import (
    Service,
    kill_master,
    kill_postmaster,
    kill_web_worker,
    running_service,
)
from tests.support.workers import (
    GRACE,
    WORKER_SPACE,
    Ledger,
    WorkerPool,
    WorkerRecord,
    play_until_stopped,
    worker_pool,
)

pytestmark = pytest.mark.accept

KILLS = scaled(20, 3)
STUDIES = {"tpe 1": "tpe", "tpe 2": "tpe", "random 1": "random", "random 2": "random"}


KILLERS: list[Callable[[Service], None]] = [kill_web_worker, kill_master, kill_postmaster]


@pytest.fixture
def service() -> Iterator[Service]:
    with running_service() as service:
        yield service


@pytest.fixture
def workers() -> Iterator[WorkerPool]:
    with worker_pool() as workers:
        yield workers


def test_kills_lose_no_acknowledged_result(
    service: Service, workers: WorkerPool, record_property: Callable[[str, Any], None]
) -> None:
    ledger = Ledger(STUDIES)
    down: dict[str, list[float]] = {}
    with HttpClient(service.port) as client:
        for name, sampler in STUDIES.items():
            client.create_study(
                name=name, direction="minimize", search_space=WORKER_SPACE, sampler=sampler
            )
    for turn in range(KILLS):
        killer = KILLERS[turn % len(KILLERS)]
        seconds = _one_round(service, workers, killer, ledger)
        down.setdefault(killer.__name__, []).append(seconds)
        with HttpClient(service.port) as client:
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
    service: Service, workers: WorkerPool, killer: Callable[[Service], None], ledger: Ledger
) -> float:
    """Play, kill, recover, play on; gives the seconds until it was whole again."""
    tasks: list[Future[WorkerRecord]] = workers.start(
        play_until_stopped, service.port, list(STUDIES)
    )
    try:
        time.sleep(random.uniform(2, 4))
        began = time.monotonic()
        killer(service)
        ended = time.monotonic()
        time.sleep(GRACE + 2)
    finally:
        seen = workers.finish(tasks)
    for each in seen:
        ledger.add_record(each, (began, ended))
    return ended - began


def _assert_stock_optuna_agrees(service: Service, ledger: Ledger) -> None:
    with rdb_storage_at(service.optuna_url) as storage:
        stock = {
            (name, trial.number): trial
            for name in STUDIES
            for trial in optuna.load_study(study_name=name, storage=storage).trials
        }
    for key, params in ledger.suggested.items():
        assert repr(stock[key].params) == params
    for key, value in ledger.completed.items():
        assert (stock[key].state.name, stock[key].value) == ("COMPLETE", value)

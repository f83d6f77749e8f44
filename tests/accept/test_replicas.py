"""Three replicas behind nginx and PgBouncer: none is missed, whichever ends and however.

Thirty-two workers play several studies without a break. First replicas are killed and PostgreSQL
is stopped; then all replicas are replaced one after the other, as a new version is deployed.
"""

import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import chain
from typing import Any

import pytest

from tests.accept.ledger import Ledger
from tests.accept.replicas import Cluster, Replica, is_ready, running_cluster, wait_until
from tests.accept.stock import load_study, stock_storage
from tests.accept.workers import SPACE, Seen, Workers, play_until_stopped, running_workers
from tests.service import Client, scaled

pytestmark = pytest.mark.accept

N_WORKERS = scaled(32, 8)
SECONDS = scaled(60, 20)
SECONDS_BETWEEN_KILLS = 5
STUDIES = {"tpe-1": "tpe", "tpe-2": "tpe", "random-1": "random", "random-2": "random"}
Record = Callable[[str, Any], None]
Window = tuple[float, float]  # in which something was down


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with running_cluster(3) as cluster:
        with Client(cluster.port) as client:
            for name, sampler in STUDIES.items():
                client.create_study(
                    name=name, direction="minimize", search_space=SPACE, sampler=sampler
                )
        yield cluster


@pytest.fixture(scope="module")
def ledger() -> Ledger:
    """Of all that is played here."""
    return Ledger(STUDIES)


@pytest.fixture(scope="module")
def workers() -> Iterator[Workers]:
    with running_workers(N_WORKERS) as workers:
        yield workers


def test_killed_replicas_and_a_restarted_postgresql_lose_nothing(
    cluster: Cluster, ledger: Ledger, workers: Workers, record_property: Record
) -> None:
    tasks: list[Future[Seen]] = workers.start(play_until_stopped, cluster.port, list(STUDIES))
    try:
        down, n_kills = _disturb(cluster)
    finally:
        seen = workers.finish(tasks)
    for each in seen:
        ledger.enter(each, *down)
    n_trials = _assert_all_agree(cluster, ledger)

    failures = list(chain.from_iterable(each.failures for each in seen))
    statuses = Counter(failure.status for failure in failures)
    assert statuses.keys() <= {502, 503}, [each.text for each in failures if not each.status]
    record_property(
        "found",
        f"{N_WORKERS} workers, {SECONDS} s, {n_kills} kills, 2 restarts of PostgreSQL: "
        f"{n_trials} trials; acknowledged {len(ledger.suggested)} suggestions and "
        f"{len(ledger.completed)} completions",
    )
    record_property("found", f"error answers, all while something was down: {dict(statuses)}")


def test_deployment_fails_no_request(
    cluster: Cluster, ledger: Ledger, workers: Workers, record_property: Record
) -> None:
    before = len(ledger.suggested)
    tasks: list[Future[Seen]] = workers.start(play_until_stopped, cluster.port, list(STUDIES))
    seconds = []
    try:
        for replica in cluster.replicas:
            time.sleep(2)
            began = time.monotonic()
            replica.signal(signal.SIGTERM)
            assert replica.wait() == 0
            seconds.append(time.monotonic() - began)
            replica.begin()
        time.sleep(2)
    finally:
        seen = workers.finish(tasks)
    for each in seen:
        assert each.failures == []
        ledger.enter(each)
    _assert_all_agree(cluster, ledger)
    record_property(
        "found",
        f"{len(cluster.replicas)} replicas replaced: no request failed, "
        f"{len(ledger.suggested) - before} trials meanwhile; each had stopped "
        f"after {max(seconds):.1f} s at most",
    )


def _disturb(cluster: Cluster) -> tuple[list[Window], int]:
    """Kill and stop things for a while; gives when something was down, and the kills."""
    began = time.monotonic()
    stops = {SECONDS / 3: signal.SIGINT, SECONDS * 2 / 3: signal.SIGQUIT}
    restarts: dict[Replica, Future[Window]] = {}
    next_kill = float(SECONDS_BETWEEN_KILLS)
    windows: list[Future[Window]] = []
    with ThreadPoolExecutor() as pool:
        while (now := time.monotonic() - began) < SECONDS:
            whole = [
                each for each in cluster.replicas if each not in restarts or restarts[each].done()
            ]
            # On a slow machine the last one is let live, or there would be nothing to prove.
            if now >= next_kill and len(whole) > 1:
                victim = random.choice(whole)
                windows.append(pool.submit(_kill, victim))
                restarts[victim] = windows[-1]
                next_kill = now + SECONDS_BETWEEN_KILLS
            for due in [each for each in stops if each <= now]:
                windows.append(pool.submit(_restart_postgres, cluster, stops.pop(due)))
            time.sleep(0.1)
        down = [window.result() for window in windows]
    time.sleep(2 * SECONDS_BETWEEN_KILLS)  # in which nothing may fail any more
    return down, len(windows) - 2


def _kill(replica: Replica) -> Window:
    began = time.monotonic()
    replica.kill()
    replica.begin()
    return began, time.monotonic()


def _restart_postgres(cluster: Cluster, number: signal.Signals) -> Window:
    began = time.monotonic()
    cluster.postgres.stop(number)
    cluster.postgres.start()
    wait_until(lambda: is_ready(cluster.port), "ready")
    return began, time.monotonic()


def _assert_all_agree(cluster: Cluster, ledger: Ledger) -> int:
    """What was acknowledged is there once, on both sides, and stock Optuna sees it."""
    with Client(cluster.port) as client:
        n_trials = ledger.check(client)
    cluster.manage("check_optuna")
    with stock_storage(cluster) as storage:
        stock = {
            (name, trial.number): trial
            for name in STUDIES
            for trial in load_study(storage, name).trials
        }
    assert len(stock) == n_trials
    for key, params in ledger.suggested.items():
        assert repr(stock[key].params) == params
    for key, value in ledger.completed.items():
        assert (stock[key].state.name, stock[key].value) == ("COMPLETE", value)
    return n_trials

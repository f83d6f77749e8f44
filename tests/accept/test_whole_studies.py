"""Stock Optuna reads whole studies that eight concurrent workers played."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import optuna
import pytest

from tests.support import scaled
from tests.support.http_client import HttpClient
from tests.support.optuna_oracle import rdb_storage_at
from tests.support.service import Service, running_service
from tests.support.workers import (
    N_WORKERS,
    WORKER_SPACE,
    PlayedTrial,
    WorkerPool,
    play_trials,
    worker_pool,
)

pytestmark = pytest.mark.accept

TRIALS_OF_EACH = scaled(25, 3)
Record = Callable[[str, Any], None]


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with running_service() as service:
        yield service


@pytest.fixture(scope="module")
def workers() -> Iterator[WorkerPool]:
    with worker_pool() as workers:
        yield workers


@pytest.mark.parametrize("directions", [["minimize"], ["minimize", "maximize"]], ids=["1", "2"])
@pytest.mark.parametrize("sampler", ["random", "qmc", "nsgaii", "tpe", "gp"])
def test_played_study_is_what_stock_optuna_reads(
    service: Service,
    workers: WorkerPool,
    sampler: str,
    directions: list[str],
    record_property: Record,
) -> None:
    name = f"{sampler} {len(directions)}"
    with HttpClient(service.port) as client:
        client.create_study(
            name=name,
            direction=directions,
            search_space=WORKER_SPACE,
            sampler=sampler,
            pruner="none",
        )
        began = time.monotonic()
        tasks = workers.start(play_trials, service.port, name, len(directions), TRIALS_OF_EACH)
        played = [trial for task in tasks for trial in task.result()]
        seconds = time.monotonic() - began

        n_trials = N_WORKERS * TRIALS_OF_EACH
        assert sorted(trial.number for trial in played) == list(range(n_trials))
        with rdb_storage_at(service.optuna_url) as storage:
            stock = optuna.load_study(study_name=name, storage=storage)
            _assert_same_trials(played, stock.trials)
            _assert_same_best(client, name, stock)
    service.check_optuna()
    assert "Traceback" not in service.log.read_text()
    record_property("found", f"{n_trials} trials, {n_trials / seconds:.1f} a second")


def _assert_same_trials(played: list[PlayedTrial], stock: list[optuna.trial.FrozenTrial]) -> None:
    for trial in played:
        theirs = stock[trial.number]
        assert theirs.number == trial.number
        assert repr(theirs.params) == repr(trial.params)  # in order, and in type
        assert theirs.state.name == trial.state
        assert theirs.values == trial.values
        steps = {int(step): value for step, value in trial.steps.items()}
        assert theirs.intermediate_values == steps


def _assert_same_best(client: HttpClient, name: str, stock: optuna.Study) -> None:
    best = client.get(f"/studies/{name}/best".replace(" ", "%20"))
    if len(stock.directions) == 1:
        complete = stock.get_trials(states=[optuna.trial.TrialState.COMPLETE])
        first = min(complete, key=lambda trial: (trial.value, trial.number))
        assert best["value"] == stock.best_value
    else:
        front = sorted(stock.best_trials, key=lambda trial: trial.number)
        first = front[0]
        answer = client.get(f"/studies/{name}/pareto".replace(" ", "%20"))
        assert [(each["trial_id"], each["values"], repr(each["params"])) for each in answer] == [
            (each.number, each.values, repr(each.params)) for each in front
        ]
        assert best["value"] == first.values
    assert best["trial_id"] == first.number
    assert repr(best["params"]) == repr(first.params)

"""Drafts: trials that are sampled but not yet committed, also by slow samplers."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection, transaction
from optuna.samplers import RandomSampler
from optuna.trial import FrozenTrial, TrialState
from rest_framework.test import APIClient

from optuna_bridge.samplers.kind import SamplerKind
from optuna_bridge.samplers.registry import SAMPLERS
from studies.errors import StudyNotFound
from studies.models import Study
from tests.support import ROOT
from tests.support.api_client import create_study, suggest
from tests.support.database import call_and_close_connection, wait_for_lock_waiters
from tests.support.optuna_oracle import optuna_url
from tests.support.study_builders import (
    add_running_trials,
    ask_trial,
    build_study,
    named,
    session_trials,
    synced_session,
    tell_trial,
)
from trials.models import Trial
from trials.sampling.session_registry import session_registry
from trials.signals import trials_added

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def study(transactional_db: None) -> Study:
    return build_study(sampler="random")


class WatchingSampler(RandomSampler):
    """Notes which trials it sees running when it draws."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[list[int]] = []

    def infer_relative_search_space(self, study: Any, trial: FrozenTrial) -> dict[str, Any]:
        running = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        self.seen.append([each.number for each in running])
        return {}


class FailingSampler(RandomSampler):
    def __init__(self, at: str) -> None:
        super().__init__()
        setattr(self, at, self.fail)

    def fail(self, *args: Any) -> None:
        raise ZeroDivisionError


@pytest.mark.django_db(transaction=True)
def test_failing_sampler_of_a_deleted_study_is_not_kept(api: APIClient) -> None:
    """A later study of that name has a sampler of its own."""
    create_study(api, sampler="random", pruner="none")
    session = session_registry.of(Study.objects.get())
    session.optuna_study.sampler = FailingSampler("sample_independent")
    api.raise_request_exception = False
    assert api.post("/api/v1/studies/search/trials/suggest").status_code == 500
    api.delete("/api/v1/studies/search")
    create_study(api, sampler="random", pruner="none")
    assert suggest(api)["trial_id"] == 0


class WaitingSampler(RandomSampler):
    """Samples until the test lets it continue."""

    def __init__(self) -> None:
        super().__init__()
        self.is_sampling = threading.Event()
        self.goes_on = threading.Event()

    def infer_relative_search_space(self, study: Any, trial: FrozenTrial) -> dict[str, Any]:
        self.is_sampling.set()
        assert self.goes_on.wait(20)
        return {}


def offer(monkeypatch: pytest.MonkeyPatch, sampler: RandomSampler) -> Study:
    """A study with this sampler."""
    kind = SamplerKind(build=lambda options, distributions: sampler, options={})
    monkeypatch.setitem(SAMPLERS, "special", kind)
    return build_study("special", sampler="special", pruner="none")


def test_draft_is_running_for_the_other_asks_of_its_process(monkeypatch):
    sampler = WatchingSampler()
    study = offer(monkeypatch, sampler)
    with ThreadPoolExecutor() as pool:
        with transaction.atomic():
            named(study).locked()  # no other process can commit
            first = pool.submit(call_and_close_connection, ask_trial, study)
            wait_for_lock_waiters(1)
            second = pool.submit(call_and_close_connection, ask_trial, study)
            wait_for_lock_waiters(2)
        numbers = {first.result(20).number, second.result(20).number}
    assert sampler.seen == [[0], [0, 1]]
    assert numbers == {0, 1}
    ask_trial(study)
    assert sampler.seen[2] == [0, 1, 2]  # committed ones are not seen twice
    assert [number for number, *_ in session_trials(synced_session(study))] == [0, 1, 2]


def assert_nothing_is_left(study: Study) -> None:
    study.refresh_from_db()
    assert (study.next_number, study.n_running) == (0, 0)
    assert Trial.objects.count() == 0
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM optuna.trials")
        assert cursor.fetchone() == (0,)
    assert synced_session(study).get_all_trials(0) == []


@pytest.mark.parametrize(
    "at", ["before_trial", "infer_relative_search_space", "sample_relative", "sample_independent"]
)
def test_ask_whose_sampler_raises_leaves_nothing(monkeypatch, at):
    study = offer(monkeypatch, FailingSampler(at))
    for _ in range(2):  # and holds no lock
        with pytest.raises(ZeroDivisionError):
            ask_trial(study)
    assert_nothing_is_left(study)


def test_ask_whose_insert_fails_leaves_no_draft(study):
    def failing(**kwargs: object) -> None:
        raise ZeroDivisionError

    trials_added.connect(failing, sender=Trial, dispatch_uid="tests.failing")
    try:
        with pytest.raises(ZeroDivisionError):
            ask_trial(study)
    finally:
        trials_added.disconnect(sender=Trial, dispatch_uid="tests.failing")
    assert_nothing_is_left(study)
    assert ask_trial(study).number == 0


def test_ask_of_a_deleted_study_leaves_no_draft(study):
    history = session_registry.of(study)
    with ThreadPoolExecutor() as pool, pytest.raises(StudyNotFound):
        with transaction.atomic():
            named(study).locked()
            late = pool.submit(call_and_close_connection, ask_trial, study)
            wait_for_lock_waiters(1)
            study.delete()
        late.result(20)
    history.sync()  # as the next ask does
    assert history.get_all_trials(0) == []
    assert Trial.objects.count() == 0


def other_transactions() -> int:
    """Transactions that are open on other connections to this database."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
            "AND pid <> pg_backend_pid() AND backend_type = 'client backend' "
            "AND (xact_start IS NOT NULL OR state LIKE 'idle in transaction%%')"
        )
        return cursor.fetchone()[0]


def connections_in_use() -> int:
    stats = connection.pool.get_stats()  # type: ignore[attr-defined]
    return stats["pool_size"] - stats["pool_available"]


def eventually(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_sampling_holds_no_connection_and_delays_no_other_study(monkeypatch):
    sampler = WaitingSampler()
    study = offer(monkeypatch, sampler)
    add_running_trials(study, 1)
    other = build_study("other", sampler="random")
    with ThreadPoolExecutor() as pool:
        late = pool.submit(call_and_close_connection, ask_trial, study)
        also_late = pool.submit(call_and_close_connection, ask_trial, study)  # waits for the first
        try:
            assert sampler.is_sampling.wait(20)
            # The second ask may still read its study, and the pool still open connections.
            eventually(lambda: other_transactions() == 0)
            eventually(lambda: connections_in_use() == 1)  # this thread's
            assert ask_trial(other).number == 0
            assert tell_trial(study, 0, 0.5).values == [0.5]
            assert tell_trial(other, 0, 0.5).values == [0.5]
            assert not late.done()
            assert not also_late.done()
        finally:
            sampler.goes_on.set()
        assert {late.result(20).number, also_late.result(20).number} == {1, 2}


def test_study_can_be_deleted_while_it_samples(monkeypatch):
    sampler = WaitingSampler()
    study = offer(monkeypatch, sampler)
    with ThreadPoolExecutor() as pool:
        late = pool.submit(call_and_close_connection, ask_trial, study)
        try:
            assert sampler.is_sampling.wait(20)
            Study.objects.get().delete()
        finally:
            sampler.goes_on.set()
        with pytest.raises(StudyNotFound):
            late.result(20)
    assert Trial.objects.count() == 0


FORKING = """
import json, os, sys
import django
django.setup()
from django.db import connection
from studies.models import Study
from trials.sampling.plan import Plan
from trials.sampling.session_registry import session_registry

study = Study.objects.get()
history = session_registry.of(study)
Plan.draw(history, 1)
held = history.lock.acquire()  # as another thread of the parent might
connection.close_pool()

def draw():
    return list(Plan.draw(session_registry.of(study), 1).new[0].params.values())

for _ in range(2):
    child = os.fork()
    if child == 0:
        assert session_registry.of(study) is not history
        print(json.dumps(draw()), flush=True)
        connection.close_pool()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
history.lock.release()
print(json.dumps(draw()), flush=True)
connection.close_pool()
"""


@pytest.mark.parametrize("sampler", ["tpe", "nsgaii"])
def test_forked_processes_suggest_different_points(sampler):
    build_study(sampler=sampler)
    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": "tuner_project.settings",
        "DATABASE_URL": optuna_url("public").replace("postgresql+psycopg:", "postgresql:"),
        "PYTHONPATH": str(ROOT),
    }
    output = subprocess.run(
        [sys.executable, "-c", FORKING],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert output.returncode == 0, output.stderr
    drawn = [json.loads(line) for line in output.stdout.splitlines()]
    assert len(drawn) == 3
    assert len({repr(each) for each in drawn}) == 3


def test_quasi_random_asks_keep_no_drafts():
    study = build_study(sampler="qmc")
    for _ in range(10):
        ask_trial(study)
    assert len(session_registry.of(study).get_all_trials(0)) <= 1

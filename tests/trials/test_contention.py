"""What waits for what: leases begin when a lock is got, and reports wait for no sampler."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import transaction
from optuna.samplers import RandomSampler

from optuna_bridge.enums import TrialState
from optuna_bridge.options import Kind
from optuna_bridge.samplers.registry import SAMPLERS
from studies.models import NamedStudy, Study
from tests.actors import COMMAND
from tests.play import assert_in_sync, database_clock
from tests.trials.helpers import ask, new_study, only, released, synced, tell, wait_for_locks
from trials import domain
from trials.domain import NewTrial, TrialResult, asking
from trials.models import Trial
from trials.projection.consistency import differences
from trials.sampling.plan import Plan
from trials.sampling.session import SamplerSession

pytestmark = pytest.mark.django_db(transaction=True)

LEASE = 60.0
SECONDS = 30  # until something that waits is given up


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor() as pool:
        yield pool


def after_a_wait(pool: ThreadPoolExecutor, action: Any) -> tuple[Any, datetime]:
    """What an action gives that waits for the study's lock, and when the lock was let go."""
    with transaction.atomic():
        NamedStudy("search").locked()
        waiting: Future[Any] = pool.submit(released, action)
        wait_for_locks(1)
        unlocked = database_clock()
    return waiting.result(SECONDS), unlocked


def test_lease_of_a_report_begins_when_it_is_stored(pool: ThreadPoolExecutor) -> None:
    study = new_study(lease_seconds=LEASE)
    ask(study)
    verdict, unlocked = after_a_wait(
        pool, lambda: domain.report(named=only(study), number=0, steps={1: 0.5})
    )
    assert verdict.lease_expires_at >= unlocked + timedelta(seconds=LEASE)
    assert Trial.objects.get().lease_expires_at == verdict.lease_expires_at


def test_report_does_not_shorten_what_a_heartbeat_promised(pool: ThreadPoolExecutor) -> None:
    study = new_study(lease_seconds=LEASE)
    ask(study)
    with transaction.atomic():
        locked = only(study).locked()
        trial = Trial.objects.get_by_number(locked, 0)
        trial.lease_expires_at = locked.now + timedelta(seconds=LEASE)
        promised = pool.submit(
            released, lambda: domain.heartbeat(named=only(study), number=0)
        ).result(SECONDS)
        Trial.objects.change(locked, [trial], was=[TrialState.RUNNING])
    assert promised.lease_expires_at > trial.lease_expires_at
    assert Trial.objects.get().lease_expires_at == promised.lease_expires_at


@pytest.mark.parametrize("is_queued", [True, False])
def test_lease_begins_when_the_trial_is_handed_out(
    pool: ThreadPoolExecutor, is_queued: bool
) -> None:
    study = new_study(sampler="random", lease_seconds=LEASE)
    if is_queued:
        domain.add_trials(
            actor=COMMAND, named=only(study), new=[NewTrial(params={"batch_size": 16})]
        )
    trial, unlocked = after_a_wait(pool, lambda: ask(study))
    assert trial.number == 0
    assert trial.lease_expires_at >= unlocked + timedelta(seconds=LEASE)


def test_report_and_tell_wait_for_no_sampler(pool: ThreadPoolExecutor) -> None:
    study = new_study(sampler="tpe", pruner="median")
    ask(study)
    with synced(study).lock:  # as another thread's sampler holds it while it thinks
        report = pool.submit(
            released, lambda: domain.report(named=only(study), number=0, steps={1: 0.5})
        )
        assert report.result(SECONDS).should_prune is False
        told = pool.submit(released, lambda: tell(study, 0, 0.5))
        assert told.result(SECONDS).state == TrialState.COMPLETE
    assert_in_sync()


def test_seeded_ask_does_not_wait_for_a_sampler_within_its_transaction(
    pool: ThreadPoolExecutor,
) -> None:
    """Another ask took its number, and the sampler is busy: it plans again instead."""
    study = new_study(sampler="random", sampler_options={"seed": 1})
    twin = new_study("twin", sampler="random", sampler_options={"seed": 1})
    expected = [ask(twin).internal_params for _ in range(3)]
    history = synced(study)
    plan = Plan.of(history, 1)
    ask(study)
    with history.lock, pytest.raises(asking.PlanInvalidated), transaction.atomic():
        asking._serve(history, plan, asking.AskRequest(actor=COMMAND), room=1)
    plan.close()
    assert [ask(study).internal_params for _ in range(2)] == expected[1:]
    assert [trial.internal_params for trial in study.trials.order_by("number")] == expected


class FailingLater(RandomSampler):
    """Fails when it draws for the third time."""

    n_draws = 0

    def sample_independent(self, *args: Any) -> Any:
        self.n_draws += 1
        if self.n_draws == 3:
            raise ZeroDivisionError
        return super().sample_independent(*args)


def test_batch_that_fails_leaves_no_draft(monkeypatch: pytest.MonkeyPatch) -> None:
    sampler = FailingLater()
    kind = Kind(build=lambda options, distributions: sampler, options={})
    monkeypatch.setitem(SAMPLERS, "special", kind)
    space = [{"type": "int", "name": "n", "low": 1, "high": 3}]
    study = new_study(space=space, sampler="special", pruner="none", duplicates="avoid")
    with pytest.raises(ZeroDivisionError):
        domain.ask_many(actor=COMMAND, named=only(study), count=3)
    # They would hold two of three points.
    trials = domain.ask_many(actor=COMMAND, named=only(study), count=3)
    assert sorted(trial.params["n"] for trial in trials) == [1, 2, 3]
    assert [trial.number for trial in synced(study).get_all_trials(0)] == [0, 1, 2]


def test_parents_of_a_generation_are_noted_once_though_the_queue_is_out_of_order() -> None:
    """Two processes plan queued trials; the one with the higher number starts first."""
    study = new_study(
        sampler="nsgaii", sampler_options={"population_size": 4, "seed": 1}, direction="minimize"
    )
    ask(study)
    known = TrialResult(state=TrialState.COMPLETE, values=[1.0])
    point = {"learning_rate": 0.01, "min_score": 0.6, "batch_size": 16, "optimizer": "sgd"}
    queued = NewTrial(params={"batch_size": 16})
    recorded = [NewTrial(params=point, outcome=known)] * 4
    domain.add_trials(actor=COMMAND, named=only(study), new=[queued, *recorded])
    other_process = SamplerSession(study)
    plan = Plan.of(other_process, 1)
    tell(study, 0, 0.5)
    domain.add_trials(
        actor=COMMAND, named=only(study), new=[NewTrial(params={"batch_size": 32}, priority=1)]
    )

    first = ask(study)
    with transaction.atomic():
        found = asking._serve_with_care(
            other_process, plan, asking.AskRequest(actor=COMMAND), room=1
        )

    assert isinstance(found, list)
    assert (first.number, [trial.number for trial in found]) == (6, [1])
    assert [list(draft.study_attrs) for draft in plan.queued.values()] == [list(first.study_attrs)]
    assert list(Study.objects.get().trials.filter(study_attrs__isnull=False)) == [first]
    assert list(differences(study)) == []

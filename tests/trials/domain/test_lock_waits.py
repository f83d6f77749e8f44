"""Waiting for locks: a lease begins when the lock is acquired; reports wait for no sampler."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import transaction
from optuna.samplers import RandomSampler

from optuna_bridge.enums import TrialState
from optuna_bridge.samplers.kind import SamplerKind
from optuna_bridge.samplers.registry import SAMPLERS
from studies.models import NamedStudy, Study
from tests.support.api_client import assert_schemas_agree
from tests.support.database import call_and_close_connection, database_clock, wait_for_lock_waiters
from tests.support.study_builders import (
    COMMAND,
    ask_trial,
    build_study,
    named,
    synced_session,
    tell_trial,
)
from trials import domain
from trials.domain import NewTrial, TrialResult
from trials.domain.asking import attempt
from trials.models import Trial
from trials.projection.consistency import differences
from trials.sampling.drafts import PlanInvalidated
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
        waiting: Future[Any] = pool.submit(call_and_close_connection, action)
        wait_for_lock_waiters(1)
        unlocked = database_clock()
    return waiting.result(SECONDS), unlocked


def test_lease_of_a_report_begins_when_it_is_stored(pool: ThreadPoolExecutor) -> None:
    study = build_study(lease_seconds=LEASE)
    ask_trial(study)
    verdict, unlocked = after_a_wait(
        pool, lambda: domain.report(named=named(study), number=0, steps={1: 0.5})
    )
    assert verdict.lease_expires_at >= unlocked + timedelta(seconds=LEASE)
    assert Trial.objects.get().lease_expires_at == verdict.lease_expires_at


def test_report_does_not_shorten_a_heartbeats_lease(pool: ThreadPoolExecutor) -> None:
    study = build_study(lease_seconds=LEASE)
    ask_trial(study)
    with transaction.atomic():
        locked = named(study).locked()
        trial = Trial.objects.get_by_number(locked, 0)
        trial.lease_expires_at = locked.now + timedelta(seconds=LEASE)
        promised = pool.submit(
            call_and_close_connection, lambda: domain.heartbeat(named=named(study), number=0)
        ).result(SECONDS)
        Trial.objects.change(locked, [trial], was=[TrialState.RUNNING])
    assert promised.lease_expires_at > trial.lease_expires_at
    assert Trial.objects.get().lease_expires_at == promised.lease_expires_at


@pytest.mark.parametrize("is_queued", [True, False])
def test_lease_begins_when_the_trial_is_handed_out(
    pool: ThreadPoolExecutor, is_queued: bool
) -> None:
    study = build_study(sampler="random", lease_seconds=LEASE)
    if is_queued:
        domain.add_trials(
            actor=COMMAND, named=named(study), new=[NewTrial(params={"batch_size": 16})]
        )
    trial, unlocked = after_a_wait(pool, lambda: ask_trial(study))
    assert trial.number == 0
    assert trial.lease_expires_at >= unlocked + timedelta(seconds=LEASE)


def test_report_and_tell_wait_for_no_sampler(pool: ThreadPoolExecutor) -> None:
    study = build_study(sampler="tpe", pruner="median")
    ask_trial(study)
    with synced_session(study).lock:  # as another thread holds it while it samples
        report = pool.submit(
            call_and_close_connection,
            lambda: domain.report(named=named(study), number=0, steps={1: 0.5}),
        )
        assert report.result(SECONDS).should_prune is False
        told = pool.submit(call_and_close_connection, lambda: tell_trial(study, 0, 0.5))
        assert told.result(SECONDS).state == TrialState.COMPLETE
    assert_schemas_agree()


def test_seeded_ask_does_not_wait_for_a_sampler_within_its_transaction(
    pool: ThreadPoolExecutor,
) -> None:
    """Another ask took its number, and the sampler is busy: it plans again instead."""
    study = build_study(sampler="random", sampler_options={"seed": 1})
    twin = build_study("twin", sampler="random", sampler_options={"seed": 1})
    expected = [ask_trial(twin).internal_params for _ in range(3)]
    history = synced_session(study)
    plan = Plan.draw(history, 1)
    ask_trial(study)
    with history.lock, pytest.raises(PlanInvalidated), transaction.atomic():
        attempt.serve(history, plan, attempt.AskRequest(COMMAND), room=1)
    plan.close()
    assert [ask_trial(study).internal_params for _ in range(2)] == expected[1:]
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
    kind = SamplerKind(build=lambda options, distributions: sampler, options={})
    monkeypatch.setitem(SAMPLERS, "special", kind)
    space = [{"type": "int", "name": "n", "low": 1, "high": 3}]
    study = build_study(space=space, sampler="special", pruner="none", duplicates="avoid")
    with pytest.raises(ZeroDivisionError):
        domain.ask_many(actor=COMMAND, named=named(study), count=3)
    trials = domain.ask_many(
        actor=COMMAND, named=named(study), count=3
    )  # they would hold two of three points
    assert sorted(trial.params["n"] for trial in trials) == [1, 2, 3]
    assert [trial.number for trial in synced_session(study).get_all_trials(0)] == [0, 1, 2]


def test_parents_of_a_generation_are_stored_once_with_a_reordered_queue() -> None:
    """Two processes plan queued trials; the one with the higher number starts first."""
    study = build_study(
        sampler="nsgaii", sampler_options={"population_size": 4, "seed": 1}, direction="minimize"
    )
    ask_trial(study)
    known = TrialResult(state=TrialState.COMPLETE, values=[1.0])
    point = {"learning_rate": 0.01, "min_score": 0.6, "batch_size": 16, "optimizer": "sgd"}
    queued = NewTrial(params={"batch_size": 16})
    recorded = [NewTrial(params=point, result=known)] * 4
    domain.add_trials(actor=COMMAND, named=named(study), new=[queued, *recorded])
    other_process = SamplerSession(study)
    plan = Plan.draw(other_process, 1)
    tell_trial(study, 0, 0.5)
    domain.add_trials(
        actor=COMMAND, named=named(study), new=[NewTrial(params={"batch_size": 32}, priority=1)]
    )

    first = ask_trial(study)
    with transaction.atomic():
        found = attempt.serve_with_care(other_process, plan, attempt.AskRequest(COMMAND), room=1)

    assert isinstance(found, attempt.Served)
    assert (first.number, [trial.number for trial in found.trials]) == (6, [1])
    assert [list(draft.study_attrs) for draft in plan.queued.values()] == [list(first.study_attrs)]
    assert list(Study.objects.get().trials.filter(study_attrs__isnull=False)) == [first]
    assert list(differences(study)) == []

"""Stopping work that is not needed or does not end: failing studies, long and silent trials."""

from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest
from django.db import connection
from rest_framework.test import APIClient

from access.models import AuditEntry
from studies.models import Study
from tests.support import JSON
from tests.support.api_client import (
    assert_refused,
    complete,
    create_study,
    get_study,
    list_trials,
    study_state,
    suggest,
    suggest_batch,
    trial_action,
)
from tests.support.database import database_clock
from trials.domain import expire_trials

pytestmark = pytest.mark.usefixtures("both_schemas_agree")

URL = "/api/v1/studies/search"
TRIALS = f"{URL}/trials"
create = partial(create_study, sampler="random", pruner="none")


def fail(api: APIClient, number: int, **body: Any) -> JSON:
    return trial_action(api, number, "fail", **body)


def heartbeat(api: APIClient, number: int) -> JSON:
    return trial_action(api, number, "heartbeat")


def report(api: APIClient, number: int) -> JSON:
    return trial_action(api, number, "report", step=1, value=1)


def move_back(hours: int) -> None:
    """Move everything that has happened to the trials some hours into the past."""
    moments = ("datetime_start", "seen_at", "lease_expires_at")
    changes = ", ".join(f"{name} = {name} - interval '{hours:d} hours'" for name in moments)
    with connection.cursor() as cursor:
        cursor.execute(f"UPDATE trials_trial SET {changes}")
        cursor.execute(
            "UPDATE optuna.trials SET datetime_start = datetime_start - interval %s",
            [f"{hours:d} hours"],
        )
        cursor.execute(
            "UPDATE studies_study SET next_lease_expiry = next_lease_expiry - interval %s",
            [f"{hours:d} hours"],
        )


# Failures in a row ----------------------------------------------------------------------------


def test_study_pauses_after_failures_in_a_row(api: APIClient) -> None:
    create(api, max_consecutive_failures=3)
    suggest_batch(api, 9)
    fail(api, 0), fail(api, 1)
    complete(api, "search", 2, 1)
    fail(api, 3), fail(api, 4)
    assert study_state(api) == ("ACTIVE", None)
    fail(api, 5)
    assert study_state(api) == ("PAUSED", "failing")
    refused = assert_refused(api.post(f"{TRIALS}/suggest"), 409, "study_paused")
    assert refused["reason"] == "failing"
    entry = AuditEntry.objects.filter(action="paused").get()
    assert entry.actor_kind == "service"
    api.post(f"{URL}/resume")
    fail(api, 6), fail(api, 7)
    assert study_state(api)[0] == "ACTIVE"  # resuming starts the count again
    fail(api, 8)
    assert study_state(api) == ("PAUSED", "failing")


def test_reports_of_other_trials_do_not_end_a_streak(api: APIClient) -> None:
    create(api, max_consecutive_failures=2)
    suggest_batch(api, 3)
    fail(api, 0)
    report(api, 2)
    assert Study.objects.get().n_consecutive_failures == 1
    fail(api, 1)
    assert study_state(api) == ("PAUSED", "failing")


@pytest.mark.parametrize("retry", [False, True])
def test_retried_and_expired_trials_count_as_failures(api: APIClient, retry: bool) -> None:
    create(api, max_consecutive_failures=2, max_retries=5)
    suggest_batch(api, 2, lease_seconds=60)
    fail(api, 0, retry=retry)
    move_back(hours=1)
    expire_trials()
    assert study_state(api) == ("PAUSED", "failing")


def test_batch_counts_in_its_order(api: APIClient) -> None:
    create(api, max_consecutive_failures=3)
    suggest_batch(api, 4)
    ends: list[JSON] = [{"state": "FAIL"}, {"state": "FAIL"}, {"values": 1}, {"state": "FAIL"}]
    items = [{"trial_id": number} | end for number, end in enumerate(ends)]
    api.post(f"{TRIALS}/complete-batch", {"trials": items})
    assert study_state(api)[0] == "ACTIVE"
    assert Study.objects.get().n_consecutive_failures == 1


def test_cancelled_trials_are_no_failures(api: APIClient) -> None:
    create(api, max_consecutive_failures=1)
    api.post(TRIALS, {"params": {}})
    assert api.delete(f"{TRIALS}/0").json()["state"] == "FAIL"
    assert study_state(api)[0] == "ACTIVE"


def test_lower_limit_pauses_at_once_and_null_removes_it(api: APIClient) -> None:
    create(api)
    suggest_batch(api, 3)
    fail(api, 0), fail(api, 1)
    api.patch(URL, {"max_consecutive_failures": 2})
    assert study_state(api) == ("PAUSED", "failing")
    api.patch(URL, {"max_consecutive_failures": None})
    api.post(f"{URL}/resume")
    fail(api, 2)
    assert study_state(api)[0] == "ACTIVE"


def test_advice_names_the_remedy_after_ten_failures(api: APIClient) -> None:
    create(api)
    suggest_batch(api, 11)
    complete(api, "search", 0, 1)
    for number in range(1, 10):
        fail(api, number, reason="out of memory")
    assert "failing" not in [each["code"] for each in api.get(f"{URL}/advice").json()]
    fail(api, 10, reason="out of memory")
    (advice,) = [e for e in api.get(f"{URL}/advice").json() if e["code"] == "failing"]
    for part in ("last 10 trials", "out of memory", "max_consecutive_failures", "lease_seconds"):
        assert part in advice["detail"]


# Running trials of a study that has ended -----------------------------------------------------


def test_completed_study_is_cancelled_while_trials_run(api: APIClient) -> None:
    create(api)
    suggest(api)
    api.post(f"{URL}/complete")
    assert heartbeat(api, 0)["should_stop"] is False
    assert api.post(f"{URL}/cancel", {"reason": "too dear"}).json()["state"] == "CANCELLED"
    assert heartbeat(api, 0)["reason"] == "the study was cancelled: too dear"


def test_completed_study_without_running_trials_is_not_cancelled(api: APIClient) -> None:
    create(api)
    suggest(api)
    complete(api, "search", 0, 1)
    api.post(f"{URL}/complete")
    refused = assert_refused(api.post(f"{URL}/cancel"), 409, "illegal_transition")
    assert refused["allowed"] == ["resume"]


@pytest.mark.parametrize("sign", [heartbeat, report])
def test_complete_tells_running_trials_to_stop(api: APIClient, sign: Any) -> None:
    create(api)
    suggest(api)
    assert api.post(f"{URL}/complete", {"reason": "good enough"}).json()["stop_running"] is False
    assert sign(api, 0)["should_stop"] is False
    study = api.post(f"{URL}/complete", {"stop_running": True}).json()
    assert (study["state"], study["state_reason"]) == ("COMPLETED", "good enough")
    answer = sign(api, 0)
    assert answer["should_stop"] is True
    assert answer["reason"] == "the study is completed: good enough"
    assert trial_action(api, 0, "prune")["state"] == "PRUNED"  # its result is accepted
    assert api.post(f"{URL}/resume", {"stop_running": True}).status_code == 400


@pytest.mark.parametrize("stop_running", [False, True])
def test_budget_tells_running_trials_to_stop(api: APIClient, stop_running: bool) -> None:
    create(api, direction="maximize", target_value=1, stop_running=stop_running)
    suggest_batch(api, 2)
    complete(api, "search", 0, 2)
    assert study_state(api) == ("COMPLETED", "target_value")
    assert heartbeat(api, 1)["should_stop"] is stop_running


# Trials that run too long ---------------------------------------------------------------------


def test_trial_ends_after_max_trial_seconds(api: APIClient) -> None:
    create(api, max_trial_seconds=5400, max_retries=1)
    offer = suggest(api, worker_id="w")
    ends = datetime.fromisoformat(offer["lease_expires_at"])
    assert timedelta(0) < ends - database_clock() <= timedelta(seconds=5400)
    assert heartbeat(api, 0)["lease_expires_at"] == offer["lease_expires_at"]
    assert report(api, 0)["lease_expires_at"] == offer["lease_expires_at"]
    move_back(hours=1)
    assert heartbeat(api, 0)["should_stop"] is False
    move_back(hours=1)
    for sign in (heartbeat, report):
        answer = sign(api, 0)
        assert answer["should_stop"] is True
        assert answer["reason"] == "the trial has run for max_trial_seconds"
    again = suggest(api, worker_id="w")
    assert (again["trial_id"], again["retry_of"], again["reoffered"]) == (1, 0, False)
    assert list_trials(api)[0]["reason"] == "ran longer than max_trial_seconds"


def test_lease_ends_with_max_trial_seconds(api: APIClient) -> None:
    create(api, max_trial_seconds=7200, lease_seconds=5400)
    suggest(api, worker_id="w")
    move_back(hours=1)
    for answer in (heartbeat(api, 0), report(api, 0), suggest(api, worker_id="w")):
        left = datetime.fromisoformat(answer["lease_expires_at"]) - database_clock()
        assert timedelta(minutes=55) < left <= timedelta(hours=1)


def test_limit_reaches_running_trials(api: APIClient) -> None:
    create(api)
    suggest(api)
    move_back(hours=2)
    api.patch(URL, {"max_trial_seconds": 3600})
    assert [trial.number for trial in expire_trials()] == [0]


# Trials without a lease -----------------------------------------------------------------------


def test_lease_of_the_study_reaches_running_trials_without_one(api: APIClient) -> None:
    create(api)
    suggest(api), suggest(api, lease_seconds=86_400)
    api.patch(URL, {"lease_seconds": 60})
    first, second = list_trials(api)
    left = datetime.fromisoformat(first["lease_expires_at"]) - database_clock()
    assert timedelta(0) < left <= timedelta(seconds=60)
    left = datetime.fromisoformat(second["lease_expires_at"]) - database_clock()
    assert timedelta(hours=23) < left <= timedelta(hours=24)
    move_back(hours=1)
    assert [trial.number for trial in expire_trials()] == [0]


def test_fail_running_ends_silent_trials(api: APIClient) -> None:
    create(api, max_retries=1)
    suggest_batch(api, 3)
    move_back(hours=2)
    heartbeat(api, 1)
    suggest(api)
    answer = api.post(f"{TRIALS}/fail-running", {"silent_for_seconds": 3600, "retry": True})
    assert answer.status_code == 200
    assert answer.json() == {
        "trials": [{"trial_id": 0, "retried_as": 4}, {"trial_id": 2, "retried_as": 5}]
    }
    states = [each["state"] for each in list_trials(api)]
    assert states == ["FAIL", "RUNNING", "FAIL", "RUNNING", "WAITING", "WAITING"]
    assert list_trials(api)[0]["reason"] == "no sign of life for 3600 s"
    again = api.post(f"{TRIALS}/fail-running", {"silent_for_seconds": 3600})
    assert again.json() == {"trials": []}
    everything = api.post(f"{TRIALS}/fail-running", {"silent_for_seconds": 0, "reason": "over"})
    assert everything.json()["trials"] == [
        {"trial_id": 1, "retried_as": None},
        {"trial_id": 3, "retried_as": None},
    ]
    assert get_study(api)["trial_counts"]["RUNNING"] == 0


@pytest.mark.parametrize("body", [{}, {"silent_for_seconds": -1}, {"silent_for_seconds": "1"}])
def test_fail_running_refuses_invalid_bodies(api: APIClient, body: JSON) -> None:
    create(api)
    suggest(api)
    response = api.post(f"{TRIALS}/fail-running", body)
    assert [each["pointer"] for each in response.json()["errors"]] == ["/silent_for_seconds"]
    assert list_trials(api)[0]["state"] == "RUNNING"


def test_advice_names_silent_trials_without_a_lease(api: APIClient) -> None:
    create(api)
    suggest(api)
    assert api.get(f"{URL}/advice").json() == []
    move_back(hours=25)
    (advice,) = api.get(f"{URL}/advice").json()
    assert advice["code"] == "stale_trials"
    assert "fail-running" in advice["detail"]
    heartbeat(api, 0)
    assert api.get(f"{URL}/advice").json() == []

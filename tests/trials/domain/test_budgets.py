"""Budgets: how many trials are handed out, and when a study is finished."""

from functools import partial
from typing import Any

import pytest
from django.db import connection
from rest_framework.test import APIClient

from tests.support import JSON
from tests.support.api_client import (
    assert_schemas_agree,
    assert_study_completed,
    assert_try_later,
    complete,
    create_study,
    post_suggest,
    post_trial,
    start_trial,
    study_state,
    suggest_batch,
    trial_action,
)
from tests.support.database import move_leases_into_past
from trials import domain

URL = "/api/v1/studies/search"
PAST = "2000-01-01T00:00:00Z"

create = partial(create_study, sampler="random")


# max_trials ------------------------------------------------------------------------------


def test_max_trials_is_reached_exactly(api: APIClient) -> None:
    create(api, max_trials=3)
    assert [start_trial(api) for _ in range(3)] == [0, 1, 2]
    for number, outcome in ((1, "complete"), (0, "prune"), (2, "complete")):
        assert_try_later(post_suggest(api), "budget_in_flight")
        assert study_state(api) == ("ACTIVE", None)
        trial_action(api, number, outcome, **({"values": 1} if outcome == "complete" else {}))
    assert_study_completed(api, "max_trials")
    assert api.get(URL).json()["n_trials"] == 3


def test_failed_trial_frees_its_place(api: APIClient) -> None:
    create(api, max_trials=1)
    for number in range(3):
        assert start_trial(api) == number
        assert_try_later(post_suggest(api), "budget_in_flight")
        trial_action(api, number, "fail")
        assert study_state(api) == ("ACTIVE", None)
    complete(api, "search", start_trial(api), 0)
    assert_study_completed(api, "max_trials")
    assert api.get(URL).json()["trial_counts"]["FAIL"] == 3


def test_lost_lease_frees_its_place(api: APIClient) -> None:
    create(api, max_trials=1, lease_seconds=60)
    assert start_trial(api) == 0
    move_leases_into_past()
    assert start_trial(api) == 1
    assert_try_later(post_suggest(api), "budget_in_flight")


@pytest.mark.parametrize(
    ("state", "more", "room"),
    [
        ("WAITING", {}, 0),
        ("COMPLETE", {"values": 1}, 0),
        ("PRUNED", {}, 0),
        ("FAIL", {}, 1),
    ],
)
def test_added_trial_counts_unless_it_failed(
    api: APIClient, state: str, more: JSON, room: int
) -> None:
    create(api, max_trials=2)
    running = start_trial(api)
    assert post_trial(api, state=state, **more).status_code == 201
    response = post_trial(api)
    if room:
        assert response.status_code == 201
    else:
        problem = response.json()
        assert (response.status_code, problem["code"]) == (409, "max_trials_exceeded")
    assert post_trial(api, state="FAIL").status_code == 201
    assert complete(api, "search", running, 0)["state"] == "COMPLETE"
    assert_schemas_agree()


def test_queued_trial_is_served_at_a_full_budget(api: APIClient) -> None:
    create(api, max_trials=2)
    post_trial(api), post_trial(api)
    assert post_suggest(api).json()["params"] == {"x": 0.5}
    complete(api, "search", 0, 0)
    assert study_state(api) == ("ACTIVE", None)
    assert start_trial(api) == 1
    assert_try_later(post_suggest(api), "budget_in_flight")
    complete(api, "search", 1, 0)
    assert_study_completed(api, "max_trials")


def test_list_beyond_the_budget_is_refused_as_a_whole(api: APIClient) -> None:
    create(api, max_trials=3)
    start_trial(api)
    waiting, failed = {"params": {"x": 0.5}}, {"params": {"x": 0.5}, "state": "FAIL"}
    response = api.post(f"{URL}/trials", [waiting, failed, waiting, waiting])
    assert (response.status_code, response.json()["code"]) == (409, "max_trials_exceeded")
    assert api.get(URL).json()["n_trials"] == 1
    response = api.post(f"{URL}/trials", [waiting, failed, waiting, failed])
    assert response.status_code == 201
    counts = api.get(URL).json()["trial_counts"]
    assert (counts["WAITING"], counts["FAIL"], counts["RUNNING"]) == (2, 2, 1)


def test_cancelled_queued_trial_frees_its_place(api: APIClient) -> None:
    create(api, max_trials=1)
    post_trial(api)
    assert api.delete(f"{URL}/trials/0").status_code == 200
    assert study_state(api) == ("ACTIVE", None)
    assert start_trial(api) == 1


def test_recorded_trials_fill_the_budget_and_complete_the_study(api: APIClient) -> None:
    create(api, max_trials=2)
    post_trial(api, state="COMPLETE", values=1)
    assert study_state(api) == ("ACTIVE", None)
    post_trial(api, state="PRUNED")
    assert_study_completed(api, "max_trials")


def test_retry_takes_the_place_of_the_failed_trial(api: APIClient) -> None:
    create(api, max_trials=1, max_retries=1)
    start_trial(api)
    assert trial_action(api, 0, "fail", retry=True)["retried_as"] == 1
    assert post_trial(api).json()["code"] == "max_trials_exceeded"
    retry = post_suggest(api).json()
    assert (retry["trial_id"], retry["attempt"], retry["retry_of"]) == (1, 2, 0)
    assert_try_later(post_suggest(api), "budget_in_flight")
    complete(api, "search", 1, 0)
    assert_study_completed(api, "max_trials")


def test_batch_of_last_results_completes_the_study(api: APIClient) -> None:
    create(api, max_trials=3)
    items = [
        {"trial_id": trial["trial_id"], "state": "COMPLETE", "values": 1}
        for trial in suggest_batch(api, 3)
    ]
    response = api.post(f"{URL}/trials/complete-batch", {"trials": items})
    assert [result["status"] for result in response.json()["results"]] == [200, 200, 200]
    assert_study_completed(api, "max_trials")


# max_concurrent --------------------------------------------------------------------------


def test_max_concurrent_bounds_running_trials(api: APIClient) -> None:
    create(api, max_concurrent=2)
    start_trial(api), start_trial(api)
    for outcome, more in (("complete", {"values": 1}), ("prune", {}), ("fail", {})):
        assert_try_later(post_suggest(api), "too_many_running")
        running = api.get(f"{URL}/trials?state=RUNNING").json()
        trial_action(api, running[0]["trial_id"], outcome, **more)
        start_trial(api)
    assert api.get(URL).json()["trial_counts"]["RUNNING"] == 2
    assert study_state(api) == ("ACTIVE", None)


def test_max_concurrent_bounds_queued_trials_too(api: APIClient) -> None:
    create(api, max_concurrent=1)
    start_trial(api)
    post_trial(api)
    assert_try_later(post_suggest(api), "too_many_running")
    complete(api, "search", 0, 0)
    assert start_trial(api) == 1


def test_recorded_and_queued_trials_do_not_run(api: APIClient) -> None:
    create(api, max_concurrent=1)
    post_trial(api, state="COMPLETE", values=1), post_trial(api, state="FAIL"), post_trial(api)
    assert start_trial(api) == 2


def test_full_budget_is_reported_before_max_concurrent(api: APIClient) -> None:
    create(api, max_concurrent=1, max_trials=1)
    start_trial(api)
    assert_try_later(post_suggest(api), "budget_in_flight")


# max_failures ----------------------------------------------------------------------------


def test_max_failures_completes_the_study_at_once(api: APIClient) -> None:
    create(api, max_failures=2)
    for _ in range(4):
        start_trial(api)
    post_trial(api)
    trial_action(api, 0, "fail")
    assert study_state(api) == ("ACTIVE", None)
    trial_action(api, 0, "fail")  # again
    assert study_state(api) == ("ACTIVE", None)
    trial_action(api, 1, "fail")
    assert_study_completed(api, "max_failures")
    assert complete(api, "search", 2, 0)["state"] == "COMPLETE"
    assert trial_action(api, 3, "fail")["state"] == "FAIL"
    assert_study_completed(api, "max_failures")


def test_lost_lease_is_a_failure(api: APIClient) -> None:
    create(api, max_failures=1, lease_seconds=60)
    start_trial(api)
    move_leases_into_past()
    assert post_suggest(api).json()["code"] == "study_completed"
    assert_study_completed(api, "max_failures")
    assert api.get(f"{URL}/trials/0").json()["reason"] == "lease expired"


def test_retried_and_cancelled_trials_are_not_failures(api: APIClient) -> None:
    create(api, max_failures=1, max_retries=1)
    start_trial(api)
    trial_action(api, 0, "fail", retry=True)
    assert start_trial(api) == 1
    post_trial(api)
    assert api.delete(f"{URL}/trials/2").json()["state"] == "FAIL"
    assert study_state(api) == ("ACTIVE", None)
    assert (
        trial_action(api, 1, "fail", retry=True)["retried_as"] is None
    )  # the attempts are used up
    assert_study_completed(api, "max_failures")


def test_cancelled_retry_is_not_a_failure(api: APIClient) -> None:
    create(api, max_failures=1, max_retries=1)
    start_trial(api)
    trial_action(api, 0, "fail", retry=True)
    assert api.delete(f"{URL}/trials/1").status_code == 200
    assert study_state(api) == ("ACTIVE", None)
    assert_schemas_agree()


# target_value ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("direction", "target", "short", "enough"),
    [
        ("maximize", 0.5, 0.49, 0.5),
        ("maximize", 0, -0.1, 2),
        ("minimize", 0.5, 0.51, 0.5),
        ("minimize", -3, 0, -4),
        (["minimize"], 0.5, 0.6, [0.4]),
    ],
)
def test_target_value_completes_the_study_at_once(
    api: APIClient, direction: Any, target: float, short: float, enough: Any
) -> None:
    create(api, direction=direction, target_value=target)
    for _ in range(3):
        start_trial(api)
    complete(api, "search", 0, short)
    assert study_state(api) == ("ACTIVE", None)
    complete(api, "search", 1, enough)
    assert_study_completed(api, "target_value")
    assert complete(api, "search", 2, short)["state"] == "COMPLETE"
    assert_study_completed(api, "target_value")


def test_only_values_of_completed_trials_reach_the_target(api: APIClient) -> None:
    create(api, target_value=0.5, pruner="none")
    for _ in range(3):
        start_trial(api)
    assert trial_action(api, 0, "report", step=1, value=0.9)["should_stop"] is False
    assert trial_action(api, 0, "prune")["values"] == [0.9]
    complete(api, "search", 1, 0.4, intermediate_values={"1": 0.9})
    assert study_state(api) == ("ACTIVE", None)


def test_infeasible_trial_does_not_reach_the_target(api: APIClient) -> None:
    create(api, target_value=0.5, constraints=["latency"])
    for _ in range(2):
        start_trial(api)
    complete(api, "search", 0, 0.9, constraints={"latency": 0.001})
    assert study_state(api) == ("ACTIVE", None)
    complete(api, "search", 1, 0.6, constraints={"latency": 0})
    assert_study_completed(api, "target_value")


def test_recorded_trial_reaches_the_target(api: APIClient) -> None:
    create(api, target_value=0.5)
    post_trial(api, state="COMPLETE", values=0.5)
    assert_study_completed(api, "target_value")


# deadline --------------------------------------------------------------------------------


def test_deadline_in_the_past_completes_the_study_at_the_next_ask(api: APIClient) -> None:
    create(api, deadline=PAST)
    assert study_state(api) == ("ACTIVE", None)
    assert post_suggest(api).json()["reason"] == "deadline"
    assert_study_completed(api, "deadline")
    assert api.get(URL).json()["n_trials"] == 0


@pytest.fixture
def overdue(api: APIClient) -> None:
    """A study with a trial that runs and one that waits, and whose deadline passes."""
    create(api, deadline="2100-01-01T00:00:00Z")
    start_trial(api)
    post_trial(api)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE studies_study SET deadline = now() - interval '1 second'")


@pytest.mark.usefixtures("overdue")
def test_passed_deadline_keeps_the_queue(api: APIClient) -> None:
    assert post_suggest(api).json()["code"] == "study_completed"
    assert_study_completed(api, "deadline")
    assert api.get(URL).json()["trial_counts"]["WAITING"] == 1


@pytest.mark.usefixtures("overdue")
def test_trial_may_be_completed_after_the_deadline(api: APIClient) -> None:
    assert complete(api, "search", 0, 0)["state"] == "COMPLETE"
    assert_study_completed(api, "deadline")


@pytest.mark.usefixtures("overdue")
def test_overdue_study_is_completed_without_an_ask(api: APIClient) -> None:
    assert domain.expire_trials() == []
    assert_study_completed(api, "deadline")


@pytest.mark.usefixtures("overdue")
def test_paused_study_is_completed_by_its_deadline(api: APIClient) -> None:
    api.post(f"{URL}/pause")
    assert post_suggest(api).json()["code"] == "study_completed"
    assert_study_completed(api, "deadline")

"""Resuming studies, running trials and batches with a full budget or a closed study."""

from functools import partial
from typing import Any

import pytest
from rest_framework.test import APIClient

from tests.support import JSON
from tests.support.api_client import (
    assert_study_completed,
    assert_try_later,
    complete,
    create_study,
    post_suggest,
    post_trial,
    start_trial,
    suggest_batch,
    trial_action,
)

pytestmark = pytest.mark.usefixtures("both_schemas_agree")

URL = "/api/v1/studies/search"
PAST = "2000-01-01T00:00:00Z"

create = partial(create_study, sampler="random")


# Resuming --------------------------------------------------------------------------------


def complete_by(api: APIClient, budget: str) -> None:
    """Create a study, and let this budget complete it."""
    budgets: JSON = {
        "max_trials": 1,
        "max_failures": 1,
        "target_value": 0.5,
        "deadline": PAST,
    }
    create(api, **{budget: budgets[budget]})
    if budget == "deadline":
        post_suggest(api)
    elif budget == "max_failures":
        trial_action(api, start_trial(api), "fail")
    else:
        complete(api, "search", start_trial(api), 1)
    assert_study_completed(api, budget)


@pytest.mark.parametrize("budget", ["max_trials", "max_failures", "target_value", "deadline"])
def test_resume_without_room_names_the_budget(api: APIClient, budget: str) -> None:
    complete_by(api, budget)
    before = api.get(URL).json()
    response = api.post(f"{URL}/resume")
    problem = response.json()
    assert (response.status_code, problem["code"]) == (409, "study_completed")
    assert problem["reason"] == budget
    assert api.get(URL).json() == before


@pytest.mark.parametrize(
    ("budget", "more"),
    [
        ("max_trials", 2),
        ("max_failures", 2),
        ("target_value", 1.5),
        ("deadline", "2100-01-01T00:00:00Z"),
        ("max_trials", None),
        ("max_failures", None),
        ("target_value", None),
        ("deadline", None),
    ],
)
def test_resume_with_room_hands_out_trials(api: APIClient, budget: str, more: Any) -> None:
    complete_by(api, budget)
    assert api.patch(URL, {budget: more}).json()["state"] == "COMPLETED"
    response = api.post(f"{URL}/resume")
    assert (response.status_code, response.json()["state"]) == (200, "ACTIVE")
    assert post_suggest(api).status_code == 200


def test_resume_needs_room_in_every_budget(api: APIClient) -> None:
    create(api, max_trials=1, target_value=0.5)
    complete(api, "search", start_trial(api), 1)
    assert_study_completed(api, "target_value")
    api.patch(URL, {"target_value": None})
    assert api.post(f"{URL}/resume").json()["reason"] == "max_trials"


# Running trials --------------------------------------------------------------------------


@pytest.mark.parametrize("action", ["pause", "complete", "cancel"])
@pytest.mark.parametrize(
    ("outcome", "body", "state"),
    [
        ("complete", {"values": 1}, "COMPLETE"),
        ("prune", {}, "PRUNED"),
        ("fail", {"reason": "CUDA out of memory"}, "FAIL"),
    ],
)
def test_running_trial_may_be_completed_in_each_state(
    api: APIClient, action: str, outcome: str, body: JSON, state: str
) -> None:
    create(api)
    start_trial(api)
    before = api.post(f"{URL}/{action}", {"reason": "enough"}).json()
    assert trial_action(api, 0, "report", step=0, value=1)["should_stop"] is (action == "cancel")
    assert trial_action(api, 0, "heartbeat")["should_stop"] is (action == "cancel")
    told = trial_action(api, 0, outcome, **body)
    assert told["state"] == state
    assert trial_action(api, 0, outcome, **body) == told
    after = api.get(URL).json()
    assert after["state_history"] == before["state_history"]
    assert after["trial_counts"][state] == 1


def reoffered(response: Any) -> tuple[int, bool]:
    assert response.status_code == 200, response.content
    return response.json()["trial_id"], response.json()["reoffered"]


def test_worker_gets_its_trial_back_while_paused(api: APIClient) -> None:
    create(api)
    start_trial(api, worker_id="w")
    api.post(f"{URL}/pause")
    assert reoffered(post_suggest(api, worker_id="w")) == (0, True)
    assert post_suggest(api, worker_id="w", new=True).json()["code"] == "study_paused"
    assert post_suggest(api, worker_id="other").json()["code"] == "study_paused"
    assert post_suggest(api).json()["code"] == "study_paused"
    assert [trial["trial_id"] for trial in suggest_batch(api, 3, worker_id="w")] == [0]


@pytest.mark.parametrize(
    ("budget", "code"),
    [("max_trials", "budget_in_flight"), ("max_concurrent", "too_many_running")],
)
def test_worker_gets_its_trial_back_at_a_full_budget(
    api: APIClient, budget: str, code: str
) -> None:
    create(api, **{budget: 2})
    for worker in ("v", "w"):
        start_trial(api, worker_id=worker)
    assert reoffered(post_suggest(api, worker_id="w")) == (1, True)
    assert_try_later(post_suggest(api, worker_id="w", new=True), code)
    assert_try_later(post_suggest(api, worker_id="other"), code)
    assert_try_later(post_suggest(api), code)
    assert [trial["trial_id"] for trial in suggest_batch(api, 3, worker_id="v")] == [0]


# Batches ---------------------------------------------------------------------------------


def test_batch_is_cut_to_max_trials(api: APIClient) -> None:
    create(api, max_trials=4)
    complete(api, "search", start_trial(api), 0)
    assert [trial["trial_id"] for trial in suggest_batch(api, 100)] == [1, 2, 3]
    assert_try_later(api.post(f"{URL}/trials/suggest-batch", {"count": 1}), "budget_in_flight")
    trial_action(api, 2, "fail")
    assert [trial["trial_id"] for trial in suggest_batch(api, 5)] == [4]
    for number in (1, 3, 4):
        complete(api, "search", number, 0)
    assert_study_completed(api, "max_trials")


def test_batch_is_cut_to_max_concurrent(api: APIClient) -> None:
    create(api, max_concurrent=3)
    start_trial(api)
    assert [trial["trial_id"] for trial in suggest_batch(api, 5)] == [1, 2]
    assert_try_later(api.post(f"{URL}/trials/suggest-batch", {"count": 5}), "too_many_running")
    complete(api, "search", 0, 0)
    assert [trial["trial_id"] for trial in suggest_batch(api, 5)] == [3]


def test_batch_counts_held_and_queued_trials(api: APIClient) -> None:
    create(api, max_trials=4)
    start_trial(api, worker_id="w")
    post_trial(api)
    trials = suggest_batch(api, 10, worker_id="w")
    assert [trial["trial_id"] for trial in trials] == [0, 1, 2, 3]
    assert [trial["reoffered"] for trial in trials] == [True, False, False, False]
    assert trials[1]["params"] == {"x": 0.5}
    counts = api.get(URL).json()["trial_counts"]
    assert (counts["WAITING"], counts["RUNNING"]) == (0, 4)

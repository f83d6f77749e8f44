"""The progress of a study: counts of states, workers and failures."""

from typing import Any

import pytest
from rest_framework.test import APIClient

from tests.support import JSON
from tests.support.api_client import (
    STUDY_URL,
    add_trials,
    assert_refused,
    complete,
    prune,
    start_trial,
    strict_json,
    suggest,
    trial_action,
)
from tests.support.database import move_leases_into_past, recorded_statements
from tests.support.sample_studies import TWO_DIRECTIONS, create_analysis_study, record_trials


def progress(api: APIClient) -> JSON:
    return strict_json(api.get(f"{STUDY_URL}/progress"))


def trial(api: APIClient, number: int) -> JSON:
    return strict_json(api.get(f"{STUDY_URL}/trials/{number}"))


# Counts ----------------------------------------------------------------------------------


def test_progress_counts_finished_and_remaining_trials(api: APIClient) -> None:
    create_analysis_study(api, max_trials=10)
    record_trials(api, 3, 1, 2)
    prune(api, "search", start_trial(api))
    for _ in range(2):
        trial_action(api, start_trial(api), "fail", reason="out of memory")
    number = start_trial(api)
    add_trials(api, {"params": {"x": 0.5}})
    found = progress(api)
    shown = trial(api, number)
    assert found.pop("datetime")
    assert found.pop("rate_per_hour") > 0
    assert found.pop("eta")
    assert found == {
        "study_name": "search",
        "state": "ACTIVE",
        "state_reason": None,
        "trial_counts": {"WAITING": 1, "RUNNING": 1, "COMPLETE": 3, "PRUNED": 1, "FAIL": 2},
        "n_trials": 8,
        "n_done": 6,
        "n_left": 6,
        "max_trials": 10,
        "best_value": 1.0,
        "best_trial_id": 1,
        "running": [
            {
                "trial_id": number,
                "worker_id": None,
                "datetime_start": shown["datetime_start"],
                "lease_expires_at": None,
                "attempt": 1,
            }
        ],
        "failures": [{"reason": "out of memory", "n_trials": 2, "last_trial_id": 5}],
        "revision": 9,
    }


def test_progress_of_a_new_study_has_no_rate(api: APIClient) -> None:
    create_analysis_study(api, max_trials=10, direction=TWO_DIRECTIONS)
    start_trial(api)
    found = progress(api)
    assert (found["rate_per_hour"], found["eta"], found["n_left"]) == (None, None, 10)
    assert (found["best_value"], found["best_trial_id"], found["failures"]) == (None, None, [])


def test_progress_has_the_best_of_several_objectives(api: APIClient) -> None:
    create_analysis_study(api, direction=TWO_DIRECTIONS)
    record_trials(api, [2, 1], [1, 5])
    found = progress(api)
    assert (found["best_value"], found["best_trial_id"]) == ([1.0, 5.0], 1)
    assert (found["n_left"], found["max_trials"]) == (None, None)


# Who works on it, and what fails ---------------------------------------------------------


def test_running_trials_have_workers_and_leases(api: APIClient) -> None:
    create_analysis_study(api, lease_seconds=60, max_retries=1)
    first = suggest(api, worker_id="w1")
    suggest(api, worker_id="w2", lease_seconds=None)
    trial_action(api, first["trial_id"], "fail", retry=True)
    third = suggest(api, worker_id="w3")
    running = progress(api)["running"]
    assert [(each["trial_id"], each["worker_id"], each["attempt"]) for each in running] == [
        (1, "w2", 1),
        (2, "w3", 2),
    ]
    expiries = [each["lease_expires_at"] for each in running]
    assert expiries == [None, trial(api, third["trial_id"])["lease_expires_at"]]
    assert expiries[1]
    move_leases_into_past()
    assert len(progress(api)["running"]) == 2  # reading ends nothing


def test_running_trials_are_limited_to_twenty(api: APIClient) -> None:
    create_analysis_study(api)
    for _ in range(25):
        start_trial(api)
    complete(api, "search", 3, 1)
    found = progress(api)
    numbers = [number for number in range(21) if number != 3]
    assert [each["trial_id"] for each in found["running"]] == numbers
    assert found["trial_counts"]["RUNNING"] == 24


def test_most_frequent_reasons_of_failures_come_first(api: APIClient) -> None:
    create_analysis_study(api)
    reasons = [
        "a",
        "b",
        "b",
        None,
        "c" * 500,
        "c" * 500,
        "c" * 500,
        "d\n\nline 1",
        "e",
        "f",
        "d\n\nline 2",
    ]
    at = {"x": 0.5, "rate": 0.1, "n": 1, "c": "a"}
    add_trials(
        api,
        [
            {"params": at, "state": "FAIL"} | ({} if reason is None else {"reason": reason})
            for reason in reasons
        ],
    )
    assert progress(api)["failures"] == [
        {"reason": "c" * 300, "n_trials": 3, "last_trial_id": 6},
        {"reason": "d", "n_trials": 2, "last_trial_id": 10},  # by their first lines
        {"reason": "b", "n_trials": 2, "last_trial_id": 2},
        {"reason": "f", "n_trials": 1, "last_trial_id": 9},
        {"reason": "e", "n_trials": 1, "last_trial_id": 8},
    ]


@pytest.mark.parametrize("n", [1, 300])
def test_progress_takes_four_statements(api: APIClient, n: int) -> None:
    create_analysis_study(api)
    record_trials(api, *range(n))
    for _ in range(min(n, 3)):
        start_trial(api)
        trial_action(api, start_trial(api), "fail")
    with recorded_statements() as statements:
        progress(api)
    assert len(statements) == 4


@pytest.mark.parametrize("query", ["limit=1", "x"])
def test_progress_takes_no_query(api: APIClient, query: str) -> None:
    create_analysis_study(api)
    assert_refused(api.get(f"{STUDY_URL}/progress?{query}"), 400, "invalid")
    response: Any = api.get("/api/v1/studies/nobody/progress")
    assert_refused(response, 404, "study_not_found")

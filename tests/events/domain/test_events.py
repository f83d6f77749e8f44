"""The events of studies and trials: which changes are events, and what they say."""

from typing import Any

import pytest
from rest_framework.test import APIClient

from events.models import Event, EventStream
from studies.models import Study
from tests.support.api_client import (
    STUDY_URL,
    add_trials,
    complete,
    create_study,
    prune,
    start_trial,
    suggest_batch,
    trial_action,
)
from tests.support.database import move_leases_into_past
from tests.support.events import event_types, last_event, let_pass, list_events
from trials.domain import expire_trials

TWO = ["minimize", "minimize"]


def test_study_tells_of_its_creation_best_trial_and_end(api: APIClient) -> None:
    study = create_study(api, sampler="random", direction="minimize", max_trials=1)
    complete(api, "search", start_trial(api), 0.5)
    created, best, completed = list_events(api)
    assert created["type"] == "study.created"
    assert created["data"] == {"direction": "minimize", "sampler": "random", "max_trials": 1}
    assert best["type"] == "study.new_best"
    assert list(best["data"]) == ["trial_id", "values", "params"]
    assert (best["data"]["trial_id"], best["data"]["values"]) == (0, [0.5])
    assert list(best["data"]["params"]) == ["x"]
    assert completed["type"] == "study.completed"
    assert completed["data"]["state"] == "COMPLETED"
    assert completed["data"]["reason"] == "max_trials"
    assert (completed["data"]["best_trial_id"], completed["data"]["values"]) == (0, [0.5])
    assert completed["data"]["trial_counts"]["COMPLETE"] == 1
    assert [each["number"] for each in (created, best, completed)] == [1, 2, 3]
    assert EventStream.objects.get().study_id == study["study_id"]


def test_loading_a_study_is_no_event(api: APIClient) -> None:
    create_study(api)
    body = {"name": "search", "search_space": [{"type": "float", "name": "x", "low": 0, "high": 1}]}
    assert api.post("/api/v1/studies", body).status_code == 200
    assert api.patch(STUDY_URL, {"max_trials": 9}).status_code == 200
    assert api.post(f"{STUDY_URL}/pause").status_code == 200
    assert api.post(f"{STUDY_URL}/resume").status_code == 200
    assert event_types(api) == ["study.created"]


def test_cancellation_tells_its_reason(api: APIClient) -> None:
    create_study(api)
    assert api.post(f"{STUDY_URL}/cancel", {"reason": "too dear"}).status_code == 200
    assert api.post(f"{STUDY_URL}/cancel", {"reason": "again"}).status_code == 200
    assert event_types(api) == ["study.created", "study.completed"]
    data = last_event(api)["data"]
    assert (data["state"], data["reason"], data["values"]) == ("CANCELLED", "too dear", None)


def test_result_that_is_no_better_is_no_event(api: APIClient) -> None:
    create_study(api, direction="minimize", sampler="random")
    complete(api, "search", start_trial(api), 0.5)
    let_pass(61)
    complete(api, "search", start_trial(api), 0.5)
    prune(api, "search", start_trial(api))
    trial = start_trial(api)
    trial_action(api, trial, "report", step=1, value=0.1)
    complete(api, "search", trial, 0.7)
    assert event_types(api) == ["study.created", "study.new_best"]


def test_repeated_tell_is_told_of_once(api: APIClient) -> None:
    create_study(api, direction="minimize")
    trial = start_trial(api)
    for _ in range(2):
        complete(api, "search", trial, 0.5)
        let_pass(61)
    failed = start_trial(api)
    for _ in range(2):
        trial_action(api, failed, "fail", reason="out of memory")
    assert event_types(api) == ["study.created", "study.new_best", "trial.failed"]


@pytest.mark.parametrize("worker", [{}, {"worker_id": "w"}])
def test_failed_trial_tells_why_and_whether_it_is_retried(
    api: APIClient, worker: dict[str, Any]
) -> None:
    create_study(api, max_retries=1)
    trial = start_trial(api, **worker)
    trial_action(api, trial, "fail", reason="x" * 300, retry=True)
    expected = {"trial_id": 0, "reason": "x" * 199 + "…", "worker_id": worker.get("worker_id")}
    expected |= {"attempt": 1, "will_be_retried": True, "retried_as": 1}
    assert last_event(api)["data"] == expected
    trial_action(api, start_trial(api, **worker), "fail", retry=True)
    expected |= {"trial_id": 1, "reason": None, "attempt": 2}
    expected |= {"will_be_retried": False, "retried_as": None}
    assert last_event(api)["data"] == expected


def test_infeasible_and_cancelled_trials_have_not_failed(api: APIClient) -> None:
    create_study(api)
    trial_action(api, start_trial(api), "fail", infeasible=True)
    add_trials(api, {"params": {"x": 0.5}})
    assert api.delete(f"{STUDY_URL}/trials/1").status_code == 200
    add_trials(api, {"params": {"x": 0.5}, "state": "FAIL"})
    assert event_types(api) == ["study.created"]


def test_invalidated_result_is_a_failure(api: APIClient) -> None:
    create_study(api, direction="minimize")
    complete(api, "search", start_trial(api), 0.5)
    trial_action(api, 0, "invalidate", reason="wrong data")
    assert event_types(api) == ["study.created", "study.new_best", "trial.failed"]
    assert last_event(api)["data"]["reason"] == "wrong data"


def test_lost_lease_has_its_own_event(api: APIClient) -> None:
    create_study(api, sampler="random", lease_seconds=60, max_retries=1)
    start_trial(api, worker_id="w")
    move_leases_into_past()
    assert len(expire_trials()) == 1
    assert event_types(api) == ["study.created", "trial.lease_lost"]
    data = last_event(api)["data"]
    assert (data["reason"], data["worker_id"], data["retried_as"]) == ("lease expired", "w", 1)


def test_late_result_after_a_lost_lease_may_be_the_best(api: APIClient) -> None:
    create_study(api, sampler="random", lease_seconds=60, max_retries=1)
    start_trial(api)
    move_leases_into_past()
    expire_trials()
    complete(api, "search", 0, 1.0)  # cancels the queued attempt
    assert event_types(api) == ["study.created", "trial.lease_lost", "study.new_best"]


# Failing ----------------------------------------------------------------------------------


def fail(api: APIClient, n: int) -> None:
    for each in suggest_batch(api, n):
        trial_action(api, each["trial_id"], "fail")


def n_failing(api: APIClient) -> int:
    return event_types(api).count("study.failing")


def test_ten_failures_in_a_row_are_told_of_once_a_streak(api: APIClient) -> None:
    create_study(api, sampler="random")
    fail(api, 9)
    assert n_failing(api) == 0
    fail(api, 1)
    assert last_event(api)["data"] == {"n_consecutive_failures": 10, "state": "ACTIVE"}
    fail(api, 3)
    assert n_failing(api) == 1
    complete(api, "search", start_trial(api), 0.5)
    fail(api, 10)
    assert n_failing(api) == 2


def test_batch_that_begins_a_new_streak_is_told_of(api: APIClient) -> None:
    create_study(api, sampler="random")
    fail(api, 12)
    numbers = [each["trial_id"] for each in suggest_batch(api, 12)]
    told = [{"trial_id": numbers[0], "state": "COMPLETE", "values": 1.0}]
    told += [{"trial_id": number, "state": "FAIL"} for number in numbers[1:]]
    response = api.post(f"{STUDY_URL}/trials/complete-batch", {"trials": told})
    assert response.status_code == 200
    assert n_failing(api) == 2


def test_study_that_is_paused_since_it_fails_says_so(api: APIClient) -> None:
    create_study(api, sampler="random", max_consecutive_failures=2)
    fail(api, 2)
    assert n_failing(api) == 1
    assert last_event(api)["data"] == {"n_consecutive_failures": 2, "state": "PAUSED"}
    assert api.post(f"{STUDY_URL}/resume").status_code == 200
    fail(api, 1)
    assert n_failing(api) == 1
    fail(api, 1)
    assert n_failing(api) == 2


def test_pause_by_hand_is_no_failing_study(api: APIClient) -> None:
    create_study(api, max_consecutive_failures=2)
    assert api.post(f"{STUDY_URL}/pause", {"reason": "failing"}).status_code == 200
    assert event_types(api) == ["study.created"]


# In the transaction -----------------------------------------------------------------------


def test_rolled_back_change_has_no_event(api: APIClient, monkeypatch: pytest.MonkeyPatch) -> None:
    create_study(api, sampler="random")
    trial = start_trial(api)
    from trials.signals import trials_changed

    def refuse(**kwargs: Any) -> None:
        raise RuntimeError("a receiver after the one of events")

    trials_changed.connect(refuse)
    api.raise_request_exception = False
    try:
        response = api.post(f"{STUDY_URL}/trials/{trial}/fail")
    finally:
        trials_changed.disconnect(refuse)
    assert response.status_code == 500
    assert event_types(api) == ["study.created"]


def test_deleted_study_takes_its_events_along(api: APIClient) -> None:
    create_study(api)
    start_trial(api)
    trial_action(api, 0, "fail")
    assert api.delete(STUDY_URL).status_code == 204
    assert (Event.objects.count(), EventStream.objects.count()) == (0, 0)


def test_imported_and_cloned_studies_tell_of_their_creation_alone(api: APIClient) -> None:
    for study, values in (("search", 0.5), ("front", [0.5, 0.5])):
        direction = TWO if study == "front" else "minimize"
        create_study(api, name=study, direction=direction)
        complete(api, study, start_trial(api, study), values)
        trial_action(api, start_trial(api, study), "fail", study)
        export: Any = api.get(f"/api/v1/studies/{study}/export")
        file = b"".join(export.streaming_content).decode()
        response = api.generic(
            "POST", "/api/v1/studies/import?conflict=rename", file, "application/x-ndjson"
        )
        assert response.status_code == 201, response.content
        [imported] = response.json()["studies"]
        assert event_types(api, imported["imported_as"]) == ["study.created"]
        clone = api.post(f"/api/v1/studies/{study}/clone", {"name": f"clone of {study}"})
        assert clone.status_code == 201
        assert event_types(api, f"clone of {study}") == ["study.created"]
    others = Study.objects.exclude(name__in=["search", "front"])
    assert set(others.values_list("front_revision", flat=True)) == {0}

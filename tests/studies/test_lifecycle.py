"""The states of a study and the transitions between them."""

from typing import Any

import pytest
from rest_framework.test import APIClient

from tests.support import JSON
from tests.support.api_client import (
    assert_refused,
    assert_schemas_agree,
    complete,
    create_study,
    get_study,
    invalid_pointers,
    start_trial,
)

URL = "/api/v1/studies/search"
DEADLINE = "2100-01-31T12:00:00+00:00"


def create(api: APIClient, *actions: str, **more: Any) -> JSON:
    """Create a study, and bring it into a state by actions."""
    create_study(api, **more)
    for action in actions:
        assert api.post(f"{URL}/{action}").status_code == 200
    return get_study(api)


def life(study: JSON) -> tuple[str, str | None]:
    return study["state"], study["state_reason"]


# States ----------------------------------------------------------------------------------


def test_study_is_active_at_first(api: APIClient) -> None:
    study = create(api)
    assert life(study) == ("ACTIVE", None)
    assert study["state_history"] == []


@pytest.mark.parametrize(
    ("before", "action", "state"),
    [
        ([], "pause", "PAUSED"),
        ([], "complete", "COMPLETED"),
        ([], "cancel", "CANCELLED"),
        (["pause"], "resume", "ACTIVE"),
        (["pause"], "complete", "COMPLETED"),
        (["pause"], "cancel", "CANCELLED"),
        (["complete"], "resume", "ACTIVE"),
    ],
)
def test_action_changes_the_state(
    api: APIClient, before: list[str], action: str, state: str
) -> None:
    history = create(api, *before)["state_history"]
    response = api.post(f"{URL}/{action}", {"reason": "lunch, 午餐"})
    study = response.json()
    assert response.status_code == 200
    assert life(study) == (state, "lunch, 午餐")
    *earlier, change = study["state_history"]
    assert earlier == history
    assert change == {"state": state, "reason": "lunch, 午餐", "datetime": change["datetime"]}
    assert change["datetime"].endswith("+00:00")
    assert get_study(api) == study
    (summary,) = api.get("/api/v1/studies").json()
    assert summary == {key: study[key] for key in summary}


@pytest.mark.parametrize(
    ("before", "action"),
    [
        ([], "resume"),
        (["pause"], "pause"),
        (["complete"], "complete"),
        (["cancel"], "cancel"),
        (["pause", "resume"], "resume"),
    ],
)
def test_action_again_changes_nothing(api: APIClient, before: list[str], action: str) -> None:
    study = create(api, *before)
    response = api.post(f"{URL}/{action}", {"reason": "another one"})
    assert (response.status_code, response.json()) == (200, study)
    assert get_study(api) == study


@pytest.mark.parametrize(
    ("before", "action", "code", "allowed"),
    [
        ("complete", "pause", "illegal_transition", ["resume"]),
        ("complete", "cancel", "illegal_transition", ["resume"]),
        ("cancel", "pause", "study_cancelled", []),
        ("cancel", "resume", "study_cancelled", []),
        ("cancel", "complete", "study_cancelled", []),
    ],
)
def test_illegal_transition_names_the_allowed_ones(
    api: APIClient, before: str, action: str, code: str, allowed: list[str]
) -> None:
    study = create(api, before)
    problem = assert_refused(api.post(f"{URL}/{action}"), 409, code)
    assert problem["allowed"] == allowed
    assert get_study(api) == study


def test_state_history_keeps_all_changes_in_order(api: APIClient) -> None:
    create(api)
    for action, body in (
        ("pause", {"reason": "power cut"}),
        ("pause", {"reason": "again"}),
        ("resume", {}),
        ("complete", {"reason": None}),
        ("resume", {"reason": "more to do"}),
        ("cancel", {}),
    ):
        assert api.post(f"{URL}/{action}", body).status_code == 200
    study = get_study(api)
    assert life(study) == ("CANCELLED", None)
    assert [(change["state"], change["reason"]) for change in study["state_history"]] == [
        ("PAUSED", "power cut"),
        ("ACTIVE", None),
        ("COMPLETED", None),
        ("ACTIVE", "more to do"),
        ("CANCELLED", None),
    ]
    moments = [change["datetime"] for change in study["state_history"]]
    assert moments == sorted(moments)


@pytest.mark.parametrize("action", ["pause", "resume", "complete", "cancel"])
@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"reason": 5}, "/reason"),
        ({"reason": True}, "/reason"),
        ({"reason": ["lunch"]}, "/reason"),
        ({"reason": ""}, "/reason"),
        ({"reason": "x" * 10_001}, "/reason"),
        ({"why": "lunch"}, "/why"),
        ({"state": "PAUSED"}, "/state"),
    ],
)
def test_action_refuses_invalid_bodies(
    api: APIClient, action: str, body: JSON, pointer: str
) -> None:
    study = create(api)
    assert invalid_pointers(api.post(f"{URL}/{action}", body)) == [pointer]
    assert get_study(api) == study


def test_action_on_an_unknown_study_is_not_found(api: APIClient) -> None:
    for action in ("pause", "resume", "complete", "cancel"):
        assert_refused(api.post(f"/api/v1/studies/nobody/{action}"), 404, "study_not_found")
    response = api.patch("/api/v1/studies/nobody", {"max_trials": 1})
    assert_refused(response, 404, "study_not_found")


@pytest.mark.parametrize(
    ("action", "code"),
    [
        ("pause", "study_paused"),
        ("complete", "study_completed"),
        ("cancel", "study_cancelled"),
    ],
)
@pytest.mark.parametrize("reason", ["lunch", None])
def test_ask_of_a_closed_study_names_state_and_reason(
    api: APIClient, action: str, code: str, reason: str | None
) -> None:
    create(api)
    api.post(f"{URL}/{action}", {"reason": reason})
    for response in (
        api.post(f"{URL}/trials/suggest"),
        api.post(f"{URL}/trials/suggest", {"worker_id": "w"}),
        api.post(f"{URL}/trials/suggest-batch", {"count": 3}),
    ):
        assert assert_refused(response, 409, code)["reason"] == reason
        assert "Retry-After" not in response
    assert get_study(api)["n_trials"] == 0


def test_resumed_study_hands_out_trials(api: APIClient) -> None:
    create(api, "pause", "resume", "complete", "resume")
    assert start_trial(api) == 0


@pytest.mark.parametrize(
    ("action", "code"), [("complete", "study_completed"), ("cancel", "study_cancelled")]
)
def test_ended_study_takes_no_trials(api: APIClient, action: str, code: str) -> None:
    create(api, action)
    for outcome in ({}, {"state": "COMPLETE", "values": 1}, {"state": "FAIL"}):
        new = {"params": {"x": 0.5}, **outcome}
        assert_refused(api.post(f"{URL}/trials", new), 409, code)
    assert api.get(f"{URL}/trials").json() == []
    assert get_study(api)["n_trials"] == 0
    assert_schemas_agree()


# Changes that end the study --------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"max_trials": 2}, "max_trials"),
        ({"max_trials": 1}, "max_trials"),
        ({"max_failures": 1}, "max_failures"),
        ({"target_value": 0.5}, "target_value"),
        ({"deadline": "2000-01-01T00:00:00Z"}, "deadline"),
    ],
)
@pytest.mark.parametrize("before", [[], ["pause"]])
def test_lowered_budget_that_is_used_up_completes_the_study(
    api: APIClient, changes: JSON, reason: str, before: list[str]
) -> None:
    create(api)
    for values in (0.5, 0.25):
        complete(api, "search", start_trial(api), values)
    api.post(f"{URL}/trials/{start_trial(api)}/fail")
    for action in before:
        api.post(f"{URL}/{action}")
    study = api.patch(URL, changes).json()
    assert life(study) == ("COMPLETED", reason)
    assert study["state_history"][-1]["reason"] == reason
    problem = assert_refused(api.post(f"{URL}/trials/suggest"), 409, "study_completed")
    assert problem["reason"] == reason


@pytest.mark.parametrize(
    "changes",
    [
        {"max_trials": 3},
        {"max_failures": 2},
        {"target_value": 0.75},
        {"deadline": DEADLINE},
        {"max_concurrent": 1},
    ],
)
def test_lowered_budget_with_room_leaves_the_study_active(api: APIClient, changes: JSON) -> None:
    create(api)
    for values in (0.5, 0.25):
        complete(api, "search", start_trial(api), values)
    api.post(f"{URL}/trials/{start_trial(api)}/fail")
    assert life(api.patch(URL, changes).json()) == ("ACTIVE", None)
    assert start_trial(api) == 3


def test_lowered_max_trials_waits_for_those_that_run(api: APIClient) -> None:
    create(api)
    numbers = [start_trial(api) for _ in range(3)]
    assert life(api.patch(URL, {"max_trials": 2}).json()) == ("ACTIVE", None)
    for number in numbers:
        assert_refused(api.post(f"{URL}/trials/suggest"), 429, "budget_in_flight")
        complete(api, "search", number, 1)
    assert life(get_study(api)) == ("COMPLETED", "max_trials")


def test_raised_budget_does_not_resume_the_study(api: APIClient) -> None:
    create(api, max_trials=1)
    complete(api, "search", start_trial(api), 1)
    assert life(api.patch(URL, {"max_trials": 2}).json()) == ("COMPLETED", "max_trials")
    assert life(api.post(f"{URL}/resume").json()) == ("ACTIVE", None)
    assert start_trial(api) == 1


@pytest.mark.parametrize(("action", "state"), [("complete", "COMPLETED"), ("cancel", "CANCELLED")])
def test_ended_study_stays_ended_after_changes(api: APIClient, action: str, state: str) -> None:
    create(api)
    complete(api, "search", start_trial(api), 1)
    history = api.post(f"{URL}/{action}", {"reason": "enough"}).json()["state_history"]
    study = api.patch(URL, {"max_trials": 1}).json()
    assert (life(study), study["max_trials"]) == ((state, "enough"), 1)
    assert study["state_history"] == history

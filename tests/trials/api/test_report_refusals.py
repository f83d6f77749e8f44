"""Refused reports, heartbeats and requests for a pruning decision over HTTP."""

from typing import Any

import pytest
from rest_framework.test import APIClient

from tests.support import JSON
from tests.support.api_client import (
    assert_schemas_agree,
    assert_text_refused,
    complete,
    create_study,
    create_study_with_running_trial,
    invalid_pointers,
    prune,
    stored_trial,
    suggest,
)
from tests.support.database import move_leases_into_past

STUDY = "/api/v1/studies/search"
URL = f"{STUDY}/trials"
REPORT = {"step": 0, "value": 1}


def signs(api: APIClient, trial_id: int) -> list[Any]:
    """The answers to a report and a heartbeat of a trial."""
    url = f"{URL}/{trial_id}"
    return [api.post(f"{url}/report", REPORT), api.post(f"{url}/heartbeat")]


# Reports ---------------------------------------------------------------------------------


NO_STEPS: list[Any] = [-1, 2**31, 10**20, 1.0, 1.5, "3", "", True, False, [3], {}]
NO_KEYS = ["-1", "2147483648", "1.0", "a", "", " 1", "01", "+1", "1e3", "٣", "true"]
NO_VALUES: list[Any] = ["0.5", "", "NaN", True, False, [0.5], {}]
NO_OBJECTS: list[Any] = [[], [0.5], "3", 3, True]
REFUSED: list[tuple[JSON, str]] = [
    ({}, ""),
    ({"step": 3}, ""),
    ({"value": 0.5}, ""),
    ({"value": None}, ""),
    ({"step": None, "value": 0.5}, ""),
    ({"step": 3, "value": 0.5, "values": {"4": 0.5}}, ""),
    ({"step": 3, "values": {"4": 0.5}}, ""),
    ({"value": 0.5, "values": {"4": 0.5}}, ""),
    ({"step": 3, "value": 0.5, "values": {}}, ""),
    ({"values": {}}, ""),
    ({"values": None}, ""),
    *(({"step": step, "value": 0.5}, "/step") for step in NO_STEPS),
    *(({"step": 3, "value": value}, "/value") for value in NO_VALUES),
    *(({"values": values}, "/values") for values in NO_OBJECTS),
    *(({"values": {"0": 0.5, key: 0.5}}, f"/values/{key}") for key in NO_KEYS),
    *(({"values": {"0": 0.5, "3": value}}, "/values/3") for value in NO_VALUES),
    ({"step": 3, "value": 0.5, "epoch": 3}, "/epoch"),
    ({"step": 3, "value": 0.5, "worker_id": ""}, "/worker_id"),
    ({"step": 3, "value": 0.5, "study_id": "1"}, "/study_id"),
]


@pytest.mark.parametrize(("body", "pointer"), REFUSED)
def test_report_refuses_invalid_bodies_and_the_trial_keeps_running(
    api: APIClient, body: JSON, pointer: str
) -> None:
    create_study_with_running_trial(api, lease_seconds=60)
    before = api.get(f"{URL}/0").json()
    response = api.post(f"{URL}/0/report", body)
    assert invalid_pointers(response) == [pointer]
    assert api.get(f"{URL}/0").json() == before  # with its lease
    assert api.post(f"{URL}/0/report", REPORT).status_code == 200


@pytest.mark.parametrize(
    "literal", ["NaN", "Infinity", "-Infinity", "1e400", "-1e400", "1" + "0" * 400]
)
@pytest.mark.parametrize("body", ['{"step": 3, "value": %s}', '{"values": {"3": %s}}'])
def test_report_refuses_numbers_that_are_not_finite(
    api: APIClient, body: str, literal: str
) -> None:
    create_study_with_running_trial(api)
    assert_text_refused(api, f"{URL}/0/report", body % literal)
    assert api.get(f"{URL}/0").json()["intermediate_values"] == {}


@pytest.mark.parametrize("body", ['{"step": 1, "step": 2, "value": 1}', '{"values": {"1": 1, "1"'])
def test_report_refuses_malformed_json(api: APIClient, body: str) -> None:
    create_study_with_running_trial(api)
    assert_text_refused(api, f"{URL}/0/report", body)
    assert api.get(f"{URL}/0").json()["intermediate_values"] == {}


@pytest.mark.parametrize("body", [{"step": 1}, {"lease_seconds": 60}, [], "a"])
def test_heartbeat_refuses_a_body(api: APIClient, body: Any) -> None:
    create_study_with_running_trial(api)
    assert api.post(f"{URL}/0/heartbeat", body).status_code == 400


# Trials that do not run ------------------------------------------------------------------


def test_report_and_heartbeat_of_an_unknown_trial_are_not_found(api: APIClient) -> None:
    create_study_with_running_trial(api)
    for number in (1, 999_999_999):
        for response in signs(api, number):
            assert (response.status_code, response.json()["code"]) == (404, "trial_not_found")


def test_report_and_heartbeat_in_an_unknown_study_are_not_found(api: APIClient) -> None:
    for response in signs(api, 0):
        assert (response.status_code, response.json()["code"]) == (404, "study_not_found")


@pytest.mark.parametrize("name", ["a", "-1", "1.0", "99999999999999999999"])
@pytest.mark.parametrize("action", ["report", "heartbeat"])
def test_report_and_heartbeat_of_an_invalid_number_are_not_found(
    api: APIClient, action: str, name: str
) -> None:
    create_study_with_running_trial(api)
    body = REPORT if action == "report" else {}
    response = api.post(f"{URL}/{name}/{action}", body)
    assert response.status_code == 404
    assert response["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("action", "body"), [("complete", {"values": 1}), ("prune", {}), ("fail", {})]
)
def test_report_and_heartbeat_of_a_finished_trial_are_refused(
    api: APIClient, action: str, body: JSON
) -> None:
    create_study_with_running_trial(api, lease_seconds=60)
    assert api.post(f"{URL}/0/report", REPORT).status_code == 200
    finished = api.post(f"{URL}/0/{action}", body).json()
    for response in signs(api, 0):  # the report is one that is stored
        assert (response.status_code, response.json()["code"]) == (409, "trial_finished")
    assert stored_trial(api) == finished


def test_report_and_heartbeat_of_a_waiting_trial_are_refused(api: APIClient) -> None:
    create_study(api)
    queued = api.post(URL, {"params": {"x": 0.5}}).json()
    for response in signs(api, 0):
        assert (response.status_code, response.json()["code"]) == (409, "trial_not_running")
    assert stored_trial(api) == queued


@pytest.mark.parametrize(("max_retries", "retry"), [(0, None), (1, 1)])
def test_report_and_heartbeat_after_a_lost_lease_are_refused(
    api: APIClient, max_retries: int, retry: int | None
) -> None:
    create_study_with_running_trial(api, lease_seconds=60, max_retries=max_retries)
    move_leases_into_past()
    suggest(api)  # which ends trial 0
    lost = api.get(f"{URL}/0").json()
    assert (lost["state"], lost["reason"], lost["retried_as"]) == ("FAIL", "lease expired", retry)
    for response in signs(api, 0):
        problem = response.json()
        assert (response.status_code, problem["code"]) == (409, "lease_lost")
        assert problem["retry_trial_id"] == retry
    assert api.get(f"{URL}/0").json() == lost


@pytest.mark.parametrize("action", ["report", "heartbeat"])
@pytest.mark.parametrize("method", ["get", "put", "patch", "delete"])
def test_report_and_heartbeat_are_posted(api: APIClient, action: str, method: str) -> None:
    create_study_with_running_trial(api)
    response = getattr(api, method)(f"{URL}/0/{action}")
    assert (response.status_code, response["Allow"]) == (405, "POST, OPTIONS")


# The reason of prune ---------------------------------------------------------------------


def test_prune_keeps_a_reason(api: APIClient) -> None:
    create_study_with_running_trial(api)
    response = api.post(f"{URL}/0/prune", {"reason": "höher als der Median\n0.3 > 0.2"})
    assert response.status_code == 200
    pruned = response.json()
    assert (pruned["state"], pruned["reason"]) == ("PRUNED", "höher als der Median\n0.3 > 0.2")
    assert stored_trial(api) == pruned
    for again in ({"reason": "höher als der Median\n0.3 > 0.2"}, {}, {"reason": None}):
        response = api.post(f"{URL}/0/prune", again)
        assert (response.status_code, response.json()) == (200, pruned)


@pytest.mark.parametrize("body", [{}, {"reason": None}])
def test_prune_needs_no_reason(api: APIClient, body: JSON) -> None:
    create_study_with_running_trial(api)
    response = api.post(f"{URL}/0/prune", body)
    assert (response.status_code, response.json()["reason"]) == (200, None)


def test_reason_of_a_trial_that_ended_otherwise_is_null(api: APIClient) -> None:
    create_study_with_running_trial(api)
    assert api.get(f"{URL}/0").json()["reason"] is None
    assert complete(api, "search", 0, 1)["reason"] is None


@pytest.mark.parametrize("first", [{}, {"reason": "too slow"}])
def test_prune_again_for_another_reason_is_refused(api: APIClient, first: JSON) -> None:
    create_study_with_running_trial(api)
    pruned = api.post(f"{URL}/0/prune", first).json()
    response = api.post(f"{URL}/0/prune", {"reason": "too dear"})
    assert (response.status_code, response.json()["code"]) == (409, "trial_finished")
    assert stored_trial(api) == pruned


@pytest.mark.parametrize("reason", [1, True, 0.5, [], ["too slow"], {}, "x" * 10_001, "a\x00b"])
def test_prune_refuses_a_reason_of_another_type(api: APIClient, reason: Any) -> None:
    create_study_with_running_trial(api)
    assert api.post(f"{URL}/0/prune", {"reason": reason}).status_code == 400
    assert api.get(f"{URL}/0").json()["state"] == "RUNNING"
    assert prune(api, "search", 0)["reason"] is None


def test_both_schemas_agree_after_reports_and_refusals(api: APIClient) -> None:
    create_study_with_running_trial(api, lease_seconds=60, max_retries=1)
    signs(api, 0)
    move_leases_into_past()
    suggest(api)
    signs(api, 1)
    api.post(f"{URL}/1/prune", {"reason": "too slow"})
    assert_schemas_agree()

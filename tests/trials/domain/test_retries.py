"""Retries of trials whose lease expired or that failed, and results that arrive late."""

from functools import partial
from typing import Any

import pytest
from rest_framework.test import APIClient

from studies.models import Study
from tests.support import JSON
from tests.support.api_client import (
    complete,
    create_study,
    list_trials,
    suggest,
    suggest_batch,
    trial_action,
)
from tests.support.database import move_leases_into_past
from trials import domain
from trials.sampling.session import SamplerSession
from trials.sampling.session_registry import session_registry

pytestmark = pytest.mark.usefixtures("both_schemas_agree")

URL = "/api/v1/studies/search"
SPACE = [
    {"type": "float", "name": "x", "low": 0.0, "high": 1.0},
    {"type": "int", "name": "n", "low": 1, "high": 9},
    {"type": "categorical", "name": "kind", "choices": ["a", 1, 2.5, False]},
]
LATE = [
    ("complete", {"values": 1}, "COMPLETE"),
    ("prune", {}, "PRUNED"),
    ("fail", {"reason": "gone"}, "FAIL"),
]

create = partial(create_study, search_space=SPACE, sampler="random", pruner="none")


def fail(api: APIClient, trial_id: int, **body: Any) -> JSON:
    return trial_action(api, trial_id, "fail", **body)


def attempts(api: APIClient) -> list[tuple[Any, ...]]:
    keys = ("trial_id", "state", "attempt", "retry_of", "retried_as")
    return [tuple(each[key] for key in keys) for each in list_trials(api)]


# After an expired lease ------------------------------------------------------------------


def test_expired_trial_is_queued_again_while_max_retries_allows(api: APIClient) -> None:
    create(api, max_retries=2, lease_seconds=60)
    first = suggest(api)
    for attempt in (2, 3):
        move_leases_into_past()
        again = suggest(api)
        assert (again["trial_id"], again["attempt"], again["retry_of"]) == (
            attempt - 1,
            attempt,
            attempt - 2,
        )
        assert repr(again["params"]) == repr(first["params"])
        assert (again["reoffered"], again["worker_id"]) == (False, None)
    move_leases_into_past()
    new = suggest(api)
    assert (new["attempt"], new["retry_of"]) == (1, None)
    assert attempts(api) == [
        (0, "FAIL", 1, None, 1),
        (1, "FAIL", 2, 0, 2),
        (2, "FAIL", 3, 1, None),
        (3, "RUNNING", 1, None, None),
    ]
    assert [each["reason"] for each in list_trials(api)] == ["lease expired"] * 3 + [None]


def test_retry_waits_like_its_first_attempt(api: APIClient) -> None:
    create(api, max_retries=1)
    attrs = {"origin": "by hand"}
    api.post(f"{URL}/trials", {"params": {"x": 0.25}, "priority": 7, "user_attrs": attrs})
    first = suggest(api, worker_id="w", lease_seconds=60)
    move_leases_into_past()
    domain.expire_trials()
    retry = list_trials(api)[1]
    expected = {"state": "WAITING", "priority": 7, "user_attrs": attrs, "params": first["params"]}
    none = ("worker_id", "lease_expires_at", "reason", "datetime_start", "values")
    assert {key: retry[key] for key in expected} == expected
    assert {retry[key] for key in none} == {None}
    assert suggest(api, worker_id="v")["trial_id"] == 1


def test_retry_takes_the_place_of_the_failed_trial_in_the_budget(api: APIClient) -> None:
    create(api, max_retries=1, max_trials=1, max_failures=1, lease_seconds=60)
    suggest(api)
    move_leases_into_past()
    assert suggest(api)["retry_of"] == 0
    assert api.get(URL).json()["state"] == "ACTIVE"
    move_leases_into_past()
    response = api.post(f"{URL}/trials/suggest")
    assert (response.status_code, response.json()["code"]) == (409, "study_completed")
    assert response.json()["reason"] == "max_failures"
    assert attempts(api) == [(0, "FAIL", 1, None, 1), (1, "FAIL", 2, 0, None)]


def test_retry_is_served_in_a_batch(api: APIClient) -> None:
    create(api, max_retries=1, lease_seconds=60)
    firsts = [suggest(api)["params"] for _ in range(3)]
    move_leases_into_past()
    offers = suggest_batch(api, 5)
    assert [each["retry_of"] for each in offers] == [0, 1, 2, None, None]
    assert [each["params"] for each in offers[:3]] == firsts


@pytest.mark.parametrize("sampler", ["tpe", "nsgaii", "qmc"])
def test_retry_has_the_same_params_with_any_sampler(api: APIClient, sampler: str) -> None:
    create(api, max_retries=1, lease_seconds=60, sampler=sampler)
    suggest(api, lease_seconds=None)
    first = suggest(api)
    move_leases_into_past()
    again = suggest(api)
    assert (again["retry_of"], repr(again["params"])) == (1, repr(first["params"]))


def test_max_retries_can_be_changed(api: APIClient) -> None:
    create(api, lease_seconds=60)
    suggest(api)
    assert api.patch(URL, {"max_retries": 1}).json()["max_retries"] == 1
    move_leases_into_past()
    assert suggest(api)["retry_of"] == 0
    api.patch(URL, {"max_retries": 0})
    suggest(api)
    move_leases_into_past()
    assert suggest(api)["retry_of"] is None


# Telling late ----------------------------------------------------------------------------


@pytest.mark.parametrize(("call", "body", "state"), LATE)
def test_late_tell_is_accepted_until_the_trial_is_ended(
    api: APIClient, call: str, body: JSON, state: str
) -> None:
    create(api, max_retries=1, lease_seconds=60)
    suggest(api)
    move_leases_into_past()
    told = api.post(f"{URL}/trials/0/{call}", body)
    assert (told.status_code, told.json()["state"]) == (200, state)
    assert told.json()["lease_expires_at"] is None
    assert suggest(api)["retry_of"] is None
    assert api.post(f"{URL}/trials/0/{call}", body).json() == told.json()


@pytest.mark.parametrize("max_retries", [0, 1])
def test_late_tell_of_a_trial_that_is_retried_or_given_up_is_refused(
    api: APIClient, max_retries: int
) -> None:
    create(api, max_retries=max_retries)
    suggest(api, lease_seconds=60)
    move_leases_into_past()
    suggest(api)
    before = list_trials(api)
    calls = [(call, body) for call, body, _ in LATE]
    signs = [("heartbeat", {}), ("report", {"step": 0, "value": 1.0})]
    same = [("fail", {"reason": "lease expired"}), ("fail", {"retry": True}), ("fail", {})]
    for call, body in (*calls, *signs, *same):
        response = api.post(f"{URL}/trials/0/{call}", body)
        assert (response.status_code, response.json()["code"]) == (409, "lease_lost"), call
        assert response.json()["retry_trial_id"] == (1 if max_retries else None)
    assert list_trials(api) == before


def test_late_tell_in_a_batch_is_refused(api: APIClient) -> None:
    create(api, max_retries=1)
    suggest(api, lease_seconds=60), suggest(api)
    move_leases_into_past()
    suggest(api)
    told = [{"trial_id": number, "state": "COMPLETE", "values": 1} for number in (0, 1)]
    results = api.post(f"{URL}/trials/complete-batch", {"trials": told}).json()["results"]
    assert [each["status"] for each in results] == [409, 200]
    assert results[0]["error"]["code"] == "lease_lost"
    assert results[0]["error"]["retry_trial_id"] == 2


@pytest.mark.parametrize(("call", "body", "state"), LATE)
@pytest.mark.parametrize("in_batch", [False, True])
def test_late_result_is_accepted_while_the_retry_waits(
    api: APIClient, call: str, body: JSON, state: str, in_batch: bool
) -> None:
    create(api, max_retries=1, max_failures=9)
    suggest(api, lease_seconds=60)
    move_leases_into_past()
    domain.expire_trials()
    assert [each["state"] for each in list_trials(api)] == ["FAIL", "WAITING"]
    if in_batch:
        item = {"trial_id": 0, "state": state} | body
        response = api.post(f"{URL}/trials/complete-batch", {"trials": [item]})
        told = response.json()["results"][0]["trial"]
    else:
        told = trial_action(api, 0, call, **body)
    assert (told["state"], told["cancelled_retry"], told["retried_as"]) == (state, 1, None)
    late, retry = list_trials(api)
    assert (retry["state"], retry["retry_of"]) == ("FAIL", None)
    assert retry["reason"] == "cancelled: the result of trial 0 arrived after all"
    counts = api.get(URL).json()["trial_counts"]
    assert (counts["WAITING"], counts["RUNNING"]) == (0, 0)
    assert counts[state] == (2 if state == "FAIL" else 1)
    study = Study.objects.get()
    assert study.n_failures == (1 if state == "FAIL" else 0)
    assert trial_action(api, 0, call, **body) == late == told  # repeated, and read
    if state == "COMPLETE":
        assert api.get(f"{URL}/best").json()["trial_id"] == 0
    assert suggest(api)["trial_id"] == 2  # the retry is not handed out any more


def test_late_failure_that_asks_for_a_retry_leaves_the_queued_one(api: APIClient) -> None:
    create(api, max_retries=1)
    suggest(api, lease_seconds=60)
    move_leases_into_past()
    domain.expire_trials()
    before = list_trials(api)
    response = api.post(f"{URL}/trials/0/fail", {"retry": True})
    assert (response.json()["code"], response.json()["retry_trial_id"]) == ("lease_lost", 1)
    assert list_trials(api) == before


def test_late_result_of_another_worker_is_refused(api: APIClient) -> None:
    create(api, max_retries=1)
    suggest(api, worker_id="w", lease_seconds=60)
    move_leases_into_past()
    domain.expire_trials()
    before = list_trials(api)
    response = api.post(f"{URL}/trials/0/complete", {"values": 1, "worker_id": "v"})
    assert (response.status_code, response.json()["code"]) == (409, "not_holder")
    assert list_trials(api) == before


@pytest.mark.django_db(transaction=True)  # else no session is kept from request to request
@pytest.mark.parametrize("sampler", ["tpe", "random", "nsgaii", "qmc"])
def test_samplers_see_a_late_result(api: APIClient, sampler: str) -> None:
    """Also in a session that has read the trial as FAIL before."""
    create(api, sampler=sampler, max_retries=1, sampler_options={"seed": 1})
    for number in range(12):
        suggest(api, lease_seconds=60)
        if number != 5:
            complete(api, "search", number, number)
    move_leases_into_past()
    domain.expire_trials()
    session = session_registry.of(Study.objects.get())
    session.sync()
    complete(api, "search", 5, 0.5)
    fresh = SamplerSession(session.study)
    for each in (session, fresh):
        each.sync()
        each.apply_pending()
    seen = [(each.state.name, each.values) for each in session.get_all_trials(0)]
    assert seen[5] == ("COMPLETE", [0.5])
    assert seen == [(each.state.name, each.values) for each in fresh.get_all_trials(0)]
    if session.columns is not None and fresh.columns is not None:
        assert session.columns.n_finished == fresh.columns.n_finished == 12


# After a failure -------------------------------------------------------------------------


def test_fail_ends_a_trial_and_keeps_the_reason(api: APIClient) -> None:
    create(api, max_retries=1)
    suggest(api, worker_id="w")
    told = fail(api, 0, reason="CUDA out of memory")
    assert (told["state"], told["reason"]) == ("FAIL", "CUDA out of memory")
    assert (told["retried_as"], told["values"], told["worker_id"]) == (None, None, "w")
    assert list_trials(api) == [told]


def test_fail_with_retry_queues_the_trial_again(api: APIClient) -> None:
    create(api, max_retries=2)
    first = suggest(api)
    told = fail(api, 0, reason="CUDA out of memory", retry=True)
    assert (told["retried_as"], told["reason"]) == (1, "CUDA out of memory")
    again = suggest(api)
    assert (again["trial_id"], again["attempt"], again["retry_of"]) == (1, 2, 0)
    assert repr(again["params"]) == repr(first["params"])
    fail(api, 1, retry=True), suggest(api)
    assert fail(api, 2, retry=True)["retried_as"] is None
    assert suggest(api)["attempt"] == 1
    assert attempts(api) == [
        (0, "FAIL", 1, None, 1),
        (1, "FAIL", 2, 0, 2),
        (2, "FAIL", 3, 1, None),
        (3, "RUNNING", 1, None, None),
    ]


def test_expired_leases_and_failures_share_the_retries(api: APIClient) -> None:
    create(api, max_retries=2)
    suggest(api, lease_seconds=60)
    move_leases_into_past()
    suggest(api)
    assert fail(api, 1, retry=True)["retried_as"] == 2
    suggest(api, lease_seconds=60)
    move_leases_into_past()
    assert [each.retried_as for each in domain.expire_trials()] == [None]


def test_fail_with_retry_without_retries_only_fails(api: APIClient) -> None:
    create(api)
    suggest(api)
    told = fail(api, 0, reason="gone", retry=True)
    assert (told["state"], told["reason"], told["retried_as"]) == ("FAIL", "gone", None)
    assert told["retry_refused"] == "max_retries is 0"
    assert fail(api, 0, reason="gone", retry=True) == told
    assert list_trials(api) == [told | {"retry_refused": None}]


@pytest.mark.parametrize("max_retries", [0, 1])
@pytest.mark.parametrize(
    "again", [{"reason": "gone", "retry": True}, {"retry": True}, {"reason": "gone"}, {}]
)
def test_fail_again_is_accepted(api: APIClient, max_retries: int, again: JSON) -> None:
    create(api, max_retries=max_retries)
    suggest(api)
    told = fail(api, 0, reason="gone", retry=True)
    assert fail(api, 0, **again) == told
    assert len(list_trials(api)) == 1 + max_retries
    if max_retries:
        suggest(api)
        assert fail(api, 0, **again) == told
        assert len(list_trials(api)) == 2


def test_fail_again_with_another_reason_is_refused(api: APIClient) -> None:
    create(api)
    suggest(api)
    told = fail(api, 0, reason="gone")
    response = api.post(f"{URL}/trials/0/fail", {"reason": "out of memory"})
    assert (response.status_code, response.json()["code"]) == (409, "trial_finished")
    assert "gone" in response.json()["detail"]
    assert list_trials(api) == [told]


def test_fail_again_reports_a_retry_only_where_one_was_queued(api: APIClient) -> None:
    create(api, max_retries=1)
    suggest(api)
    told = fail(api, 0)
    response = api.post(f"{URL}/trials/0/fail", {"retry": True})
    assert (response.status_code, response.json()["code"]) == (409, "trial_finished")
    assert list_trials(api) == [told]


@pytest.mark.parametrize(
    ("action", "retried_as"), [("pause", 1), ("complete", None), ("cancel", None)]
)
def test_fail_with_retry_works_in_a_closed_study(
    api: APIClient, action: str, retried_as: int | None
) -> None:
    create(api, max_retries=1)
    suggest(api)
    api.post(f"{URL}/{action}")
    told = fail(api, 0, reason="gone", retry=True)
    assert told["retried_as"] == retried_as
    assert fail(api, 0, reason="gone", retry=True) == told


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"retry": "true"}, "/retry"),
        ({"retry": 1}, "/retry"),
        ({"reason": 1}, "/reason"),
        ({"reason": ["gone"]}, "/reason"),
        ({"values": 1}, "/values"),
        ({"state": "FAIL"}, "/state"),
    ],
)
def test_fail_refuses_invalid_bodies_and_the_trial_keeps_running(
    api: APIClient, body: JSON, pointer: str
) -> None:
    create(api)
    suggest(api)
    response = api.post(f"{URL}/trials/0/fail", body)
    assert response.status_code == 400
    assert [each["pointer"] for each in response.json()["errors"]] == [pointer]
    assert attempts(api) == [(0, "RUNNING", 1, None, None)]


def test_fail_of_a_waiting_trial_is_refused(api: APIClient) -> None:
    create(api)
    api.post(f"{URL}/trials", {"params": {}})
    response = api.post(f"{URL}/trials/0/fail")
    assert (response.status_code, response.json()["code"]) == (409, "trial_not_running")

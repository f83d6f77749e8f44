"""Leases: running trials without a sign of life are ended."""

from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest
from django.db import connection
from pytest_django import Settings
from rest_framework.test import APIClient

from tests.support import JSON
from tests.support.api_client import assert_text_refused, create_study, post_study, suggest
from tests.support.database import database_clock, move_leases_into_past
from trials import domain

pytestmark = pytest.mark.usefixtures("both_schemas_agree")

URL = "/api/v1/studies/search"
EXPIRED = "lease expired"

create = partial(create_study, sampler="random", pruner="none")


def trial(api: APIClient, trial_id: int, url: str = URL) -> JSON:
    response = api.get(f"{url}/trials/{trial_id}")
    assert response.status_code == 200, response.content
    return response.json()


def states(api: APIClient, url: str = URL) -> list[str]:
    return [each["state"] for each in api.get(f"{url}/trials").json()]


def moment(text: str) -> datetime:
    parsed = datetime.fromisoformat(text)
    assert parsed.utcoffset() == timedelta(0)
    return parsed


def granted(found: JSON) -> float | None:
    """For how many seconds a trial was handed out."""
    if found["lease_expires_at"] is None:
        return None
    until, start = moment(found["lease_expires_at"]), moment(found["datetime_start"])
    return (until - start).total_seconds()


# What a lease lasts ----------------------------------------------------------------------


@pytest.mark.parametrize("seconds", [0.5, 60, 3600.25, 366 * 24 * 3600])
def test_lease_is_that_of_the_request(api: APIClient, seconds: float) -> None:
    create(api)
    suggested = suggest(api, lease_seconds=seconds)
    found = trial(api, 0)
    assert found["lease_expires_at"] == suggested["lease_expires_at"]
    assert granted(found) == seconds


@pytest.mark.parametrize(
    ("of_study", "body", "seconds"),
    [
        ({}, {}, None),
        ({"lease_seconds": None}, {}, None),
        ({"lease_seconds": 60}, {}, 60),
        ({"lease_seconds": 60}, {"lease_seconds": 30}, 30),
        ({"lease_seconds": 60}, {"lease_seconds": 90}, 90),
        ({"lease_seconds": 60}, {"lease_seconds": None}, None),
        ({"lease_seconds": None}, {"lease_seconds": 30}, 30),
    ],
)
@pytest.mark.parametrize("is_queued", [False, True])
def test_lease_of_the_request_overrides_the_studys(
    api: APIClient, of_study: JSON, body: JSON, seconds: float | None, is_queued: bool
) -> None:
    create(api, **of_study)
    if is_queued:
        api.post(f"{URL}/trials", {"params": {"x": 0.5}})
    suggest(api, **body)
    assert granted(trial(api, 0)) == seconds


@pytest.mark.parametrize(
    ("of_study", "seconds"),
    [({}, 45.5), ({"lease_seconds": None}, None), ({"lease_seconds": 60}, 60)],
)
def test_lease_defaults_to_that_of_the_service(
    api: APIClient, settings: Settings, of_study: JSON, seconds: float | None
) -> None:
    settings.DEFAULT_LEASE_SECONDS = 45.5
    assert create(api, **of_study)["lease_seconds"] == seconds
    suggest(api)
    assert granted(trial(api, 0)) == seconds


def test_lease_of_the_study_can_be_changed(api: APIClient) -> None:
    create(api, lease_seconds=60)
    suggest(api)
    for seconds in (10, None):
        assert api.patch(URL, {"lease_seconds": seconds}).json()["lease_seconds"] == seconds
        suggest(api)
    assert [granted(trial(api, number)) for number in range(3)] == [60, 10, None]


@pytest.mark.parametrize("seconds", [0, -1, -0.5, "5", True, [5], {}, 366 * 24 * 3600 + 1, 1e300])
def test_lease_is_validated(api: APIClient, seconds: Any) -> None:
    create(api)
    body = {"lease_seconds": seconds}
    for response in (
        api.post(f"{URL}/trials/suggest", body),
        api.post(f"{URL}/trials/suggest-batch", body | {"count": 2}),
        api.patch(URL, body),
        post_study(api, name="other", **body),
    ):
        assert response.status_code == 400, response.content
        assert [each["pointer"] for each in response.json()["errors"]] == ["/lease_seconds"]
    assert states(api) == []
    assert api.get(URL).json()["lease_seconds"] is None
    assert api.get("/api/v1/studies/other").status_code == 404


@pytest.mark.parametrize("literal", ["1e400", "NaN", "Infinity", "-1e400"])
def test_lease_refuses_numbers_that_are_not_finite(api: APIClient, literal: str) -> None:
    create(api)
    assert_text_refused(api, f"{URL}/trials/suggest", f'{{"lease_seconds": {literal}}}')
    assert states(api) == []


# Renewal ---------------------------------------------------------------------------------


@pytest.mark.parametrize("is_late", [False, True])
@pytest.mark.parametrize(
    ("call", "body"), [("heartbeat", {}), ("report", {"step": 0, "value": 0.5})]
)
def test_report_or_heartbeat_renews_the_lease(
    api: APIClient, call: str, body: JSON, is_late: bool
) -> None:
    create(api)
    first = suggest(api, lease_seconds=60)
    if is_late:
        move_leases_into_past()
        assert moment(trial(api, 0)["lease_expires_at"]) < database_clock()
    before = database_clock()
    response = api.post(f"{URL}/trials/0/{call}", body)
    assert response.status_code == 200, response.content
    renewed = response.json()["lease_expires_at"]
    assert before <= moment(renewed) - timedelta(seconds=60) <= database_clock()
    assert moment(renewed) > moment(first["lease_expires_at"])
    assert trial(api, 0)["lease_expires_at"] == renewed
    assert domain.expire_trials() == []
    suggest(api)
    assert states(api) == ["RUNNING", "RUNNING"]


def test_renewed_lease_expires_too(api: APIClient) -> None:
    create(api)
    suggest(api, lease_seconds=60)
    for _ in range(2):
        move_leases_into_past()
        api.post(f"{URL}/trials/0/heartbeat")
        suggest(api, lease_seconds=None)  # an ask finds when the next one runs out
    move_leases_into_past()
    suggest(api)
    assert states(api) == ["FAIL", "RUNNING", "RUNNING", "RUNNING"]


@pytest.mark.parametrize(
    ("call", "body"), [("heartbeat", {}), ("report", {"step": 0, "value": 0.5})]
)
def test_report_or_heartbeat_without_a_lease_sets_none(
    api: APIClient, call: str, body: JSON
) -> None:
    create(api)
    suggest(api)
    answer = api.post(f"{URL}/trials/0/{call}", body).json()
    assert (answer["lease_expires_at"], answer["should_stop"]) == (None, False)
    assert trial(api, 0)["lease_expires_at"] is None


def test_worker_gets_its_expired_trial_back(api: APIClient) -> None:
    create(api, max_retries=1)
    first = suggest(api, worker_id="w", lease_seconds=60)
    move_leases_into_past()
    before = database_clock()
    again = suggest(api, worker_id="w", lease_seconds=30)
    assert (again["trial_id"], again["reoffered"], again["params"]) == (0, True, first["params"])
    assert before <= moment(again["lease_expires_at"]) - timedelta(seconds=30) <= database_clock()
    assert domain.expire_trials() == []
    assert states(api) == ["RUNNING"]
    move_leases_into_past()
    suggest(api, worker_id="another")
    assert states(api) == ["FAIL", "RUNNING"]


def test_shorter_lease_of_a_reoffer_counts(api: APIClient) -> None:
    create(api)
    suggest(api, worker_id="w", lease_seconds=100_000)
    suggest(api, worker_id="w", lease_seconds=60)
    move_leases_into_past()
    suggest(api)
    assert states(api) == ["FAIL", "RUNNING"]


def test_reoffer_without_a_lease_ends_the_lease(api: APIClient) -> None:
    create(api)
    suggest(api, worker_id="w", lease_seconds=60)
    assert suggest(api, worker_id="w", lease_seconds=None)["lease_expires_at"] is None
    move_leases_into_past()
    suggest(api)
    assert states(api) == ["RUNNING", "RUNNING"]


def test_new_trial_of_the_same_worker_ends_its_expired_one(api: APIClient) -> None:
    create(api)
    suggest(api, worker_id="w", lease_seconds=60)
    move_leases_into_past()
    new = suggest(api, worker_id="w", new=True)
    assert (new["trial_id"], new["reoffered"]) == (1, False)
    assert states(api) == ["FAIL", "RUNNING"]


# Expiry ----------------------------------------------------------------------------------


@pytest.mark.parametrize("by_ask", [True, False])
def test_expired_trial_is_ended(api: APIClient, by_ask: bool) -> None:
    create(api)
    suggested = suggest(api, lease_seconds=60)
    suggest(api)
    move_leases_into_past()
    if by_ask:
        assert suggest(api)["trial_id"] == 2
    else:
        assert [each.number for each in domain.expire_trials()] == [0]
    found = trial(api, 0)
    assert (found["state"], found["reason"], found["values"]) == ("FAIL", EXPIRED, None)
    assert found["params"] == suggested["params"]
    assert (found["retried_as"], found["attempt"]) == (None, 1)
    assert moment(found["datetime_complete"]) >= moment(found["datetime_start"])
    assert trial(api, 1)["state"] == "RUNNING"
    counts = api.get(URL).json()["trial_counts"]
    assert (counts["FAIL"], counts["RUNNING"]) == (1, 2 if by_ask else 1)
    assert domain.expire_trials() == []


def test_trial_is_not_ended_before_its_lease_expires(api: APIClient) -> None:
    create(api)
    suggest(api, lease_seconds=7200)
    move_leases_into_past()  # by an hour
    suggest(api)
    assert domain.expire_trials() == []
    assert states(api) == ["RUNNING", "RUNNING"]


def test_lease_expires_by_the_clock_of_the_database(api: APIClient) -> None:
    create(api)
    suggest(api, lease_seconds=0.05)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(0.06)")
    suggest(api)
    assert states(api) == ["FAIL", "RUNNING"]


def test_finished_trial_is_not_ended_again(api: APIClient) -> None:
    create(api)
    for _ in range(3):
        suggest(api, lease_seconds=60)
    api.post(f"{URL}/trials/0/complete", {"values": 1})
    api.post(f"{URL}/trials/1/prune")
    api.post(f"{URL}/trials/2/fail", {"reason": "out of memory"})
    move_leases_into_past()
    assert domain.expire_trials() == []
    suggest(api)
    assert states(api) == ["COMPLETE", "PRUNED", "FAIL", "RUNNING"]
    assert trial(api, 2)["reason"] == "out of memory"
    assert {each["lease_expires_at"] for each in api.get(f"{URL}/trials").json()} == {None}


def test_expire_trials_goes_over_all_studies(api: APIClient) -> None:
    for name in ("search", "other", "deleted", "unleased", "late"):
        create(api, name=name, max_retries=1)
    urls = {name: f"/api/v1/studies/{name}" for name in ("other", "deleted", "unleased", "late")}
    for name in ("search", "other", "deleted"):
        suggest(api, name, lease_seconds=60)
        suggest(api, name, lease_seconds=60)
    suggest(api, "unleased")
    suggest(api, "late", lease_seconds=7200)
    assert api.delete(urls["deleted"]).status_code == 204
    move_leases_into_past()
    untouched = [api.get(f"{urls[name]}/trials").json() for name in ("unleased", "late")]
    ended = [(each.study.name, each.number, each.retried_as) for each in domain.expire_trials()]
    assert ended == [("search", 0, 2), ("search", 1, 3), ("other", 0, 2), ("other", 1, 3)]
    for url in (URL, urls["other"]):
        assert states(api, url) == ["FAIL", "FAIL", "WAITING", "WAITING"]
    assert untouched == [api.get(f"{urls[name]}/trials").json() for name in ("unleased", "late")]
    assert domain.expire_trials() == []


@pytest.mark.parametrize("action", ["pause", "complete", "cancel"])
@pytest.mark.parametrize("by_ask", [True, False])
def test_trial_expires_in_any_state_of_its_study(api: APIClient, action: str, by_ask: bool) -> None:
    create(api, max_retries=1)
    suggest(api, worker_id="w", lease_seconds=60)
    assert api.post(f"{URL}/{action}").status_code == 200
    move_leases_into_past()
    if by_ask:
        assert api.post(f"{URL}/trials/suggest").status_code == 409
    else:
        assert [each.number for each in domain.expire_trials()] == [0]
    # A study that hands out nothing any more needs no other attempt.
    is_retried = action == "pause"
    assert states(api) == ["FAIL", "WAITING"] if is_retried else ["FAIL"]
    found = trial(api, 0)
    assert (found["reason"], found["retried_as"]) == (EXPIRED, 1 if is_retried else None)
    assert api.get(URL).json()["trial_counts"]["RUNNING"] == 0


@pytest.mark.parametrize("action", ["complete", "cancel"])
def test_worker_of_an_ended_study_loses_its_expired_trial(api: APIClient, action: str) -> None:
    create(api)
    suggest(api, worker_id="w", lease_seconds=60)
    api.post(f"{URL}/{action}")
    move_leases_into_past()
    assert api.post(f"{URL}/trials/suggest", {"worker_id": "w"}).status_code == 409
    assert states(api) == ["FAIL"]

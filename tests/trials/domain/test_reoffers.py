"""Trials that kill their workers: how often they are returned to them, and what follows."""

from functools import partial

import pytest
from rest_framework.test import APIClient

from tests.support.api_client import (
    assert_refused,
    create_study,
    get_study,
    list_trials,
    suggest,
    suggest_batch,
    trial_action,
)
from tests.support.database import move_leases_into_past

pytestmark = pytest.mark.usefixtures("both_schemas_agree")

URL = "/api/v1/studies/search"
create = partial(create_study, sampler="random", pruner="none")


def test_trial_fails_after_ten_reoffers_and_is_retried(api: APIClient) -> None:
    assert create(api, max_retries=1)["max_reoffers"] == 10
    first = suggest(api, worker_id="w")
    offers = [suggest(api, worker_id="w") for _ in range(10)]
    assert [each["trial_id"] for each in offers] == [0] * 10
    assert [each["reoffers"] for each in offers] == list(range(1, 11))
    again = suggest(api, worker_id="w")
    assert (again["trial_id"], again["retry_of"], again["attempt"]) == (1, 0, 2)
    assert (again["reoffered"], again["reoffers"]) == (False, 0)
    assert again["params"] == first["params"]
    failed, _ = list_trials(api)
    assert (failed["state"], failed["reason"]) == ("FAIL", "reoffered too often")
    assert failed["retried_as"] == 1
    assert_refused(api.post(f"{URL}/trials/0/complete", {"values": 1}), 409, "trial_finished")
    for _ in range(10):
        suggest(api, worker_id="w")
    other = suggest(api, worker_id="w")
    assert (other["trial_id"], other["retry_of"], other["attempt"]) == (2, None, 1)
    assert get_study(api)["trial_counts"] == {
        "WAITING": 0, "RUNNING": 1, "COMPLETE": 0, "PRUNED": 0, "FAIL": 2
    }  # fmt: skip


@pytest.mark.parametrize(("call", "body"), [("heartbeat", {}), ("report", {"step": 1, "value": 2})])
def test_sign_of_life_starts_the_count_again(api: APIClient, call: str, body: dict) -> None:
    create(api, max_reoffers=1)
    suggest(api, worker_id="w")
    for _ in range(4):
        assert suggest(api, worker_id="w")["reoffers"] == 1
        trial_action(api, 0, call, **body)
    assert suggest(api, worker_id="w")["trial_id"] == 0
    assert suggest(api, worker_id="w")["trial_id"] == 1


def test_limit_of_reoffers_is_changed_by_patch(api: APIClient) -> None:
    create(api)
    assert api.patch(URL, {"max_reoffers": 0}).json()["max_reoffers"] == 0
    suggest(api, worker_id="w")
    assert suggest(api, worker_id="w")["trial_id"] == 1
    for wrong in (-1, 1001, 1.5, "3", True):
        response = api.patch(URL, {"max_reoffers": wrong})
        assert response.status_code == 400, wrong


def test_batch_fails_only_the_trials_that_were_reoffered_too_often(api: APIClient) -> None:
    create(api, max_reoffers=1)
    suggest_batch(api, 2, worker_id="w")
    suggest_batch(api, 2, worker_id="w")
    trial_action(api, 1, "heartbeat")
    offers = suggest_batch(api, 2, worker_id="w")
    assert [(each["trial_id"], each["reoffers"]) for each in offers] == [(1, 1), (2, 0)]
    assert [each["state"] for each in list_trials(api)] == ["FAIL", "RUNNING", "RUNNING"]


def test_reoffer_after_an_expired_lease_is_another_attempt(api: APIClient) -> None:
    create(api, max_retries=2)
    suggest(api, worker_id="w", lease_seconds=60)
    for attempt in (2, 3):
        move_leases_into_past()
        again = suggest(api, worker_id="w")
        assert (again["trial_id"], again["reoffered"], again["attempt"]) == (0, True, attempt)
    move_leases_into_past()
    new = suggest(api, worker_id="w")
    assert (new["trial_id"], new["reoffered"], new["attempt"]) == (1, False, 1)
    failed = list_trials(api)[0]
    assert (failed["state"], failed["reason"], failed["attempt"]) == ("FAIL", "lease expired", 3)
    assert failed["retried_as"] is None


def test_failed_trial_counts_as_a_failure(api: APIClient) -> None:
    create(api, max_reoffers=0, max_failures=2)
    for _ in range(3):
        api.post(f"{URL}/trials/suggest", {"worker_id": "w"})
    study = get_study(api)
    assert (study["state"], study["state_reason"]) == ("COMPLETED", "max_failures")

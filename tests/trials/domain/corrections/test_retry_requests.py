"""Failed trials that are queued again on request."""

from functools import partial
from typing import Any

import pytest
from rest_framework.test import APIClient

from access.models import AuditEntry
from studies.models import Study
from tests.support import JSON
from tests.support.api_client import (
    assert_refused,
    assert_study_completed,
    complete,
    create_study,
    get_study,
    list_trials,
    study_state,
    suggest,
    suggest_batch,
    trial_action,
)

pytestmark = pytest.mark.usefixtures("both_schemas_agree")

URL = "/api/v1/studies/search"
TRIALS = f"{URL}/trials"
create = partial(create_study, sampler="random", pruner="none")


def fail(api: APIClient, number: int) -> JSON:
    return trial_action(api, number, "fail", reason="out of memory")


def retry(api: APIClient, number: int) -> JSON:
    return trial_action(api, number, "retry")


def retry_failed(api: APIClient, **body: Any) -> JSON:
    response = api.post(f"{URL}/retry-failed", body)
    assert response.status_code == 200, response.content
    return response.json()


def test_failed_trial_is_queued_again(api: APIClient) -> None:
    create(api)  # max_retries is 0
    first = suggest(api)
    fail(api, 0)
    assert Study.objects.get().n_failures == 1
    failed = retry(api, 0)
    assert (failed["state"], failed["retried_as"]) == ("FAIL", 1)
    assert failed["reason"] == "out of memory"
    assert retry(api, 0) == failed  # repeated
    again = suggest(api)
    assert (again["trial_id"], again["retry_of"], again["attempt"]) == (1, 0, 2)
    assert again["params"] == first["params"]
    assert Study.objects.get().n_failures == 0
    entry = AuditEntry.objects.filter(action="queued").get()
    assert entry.numbers == [1]


@pytest.mark.parametrize("state", ["WAITING", "RUNNING", "COMPLETE"])
def test_trial_that_has_not_failed_is_not_retried(api: APIClient, state: str) -> None:
    create(api)
    if state == "WAITING":
        api.post(TRIALS, {"params": {}})
    else:
        suggest(api)
    if state == "COMPLETE":
        complete(api, "search", 0, 1)
    before = list_trials(api)
    assert_refused(api.post(f"{TRIALS}/0/retry"), 409, "trial_not_failed")
    assert list_trials(api) == before


def test_failed_trials_are_queued_again_in_order(api: APIClient) -> None:
    create(api, max_retries=1)
    suggest_batch(api, 6)
    for number in (4, 1, 3):
        fail(api, number)
    complete(api, "search", 0, 1)
    trial_action(api, 2, "fail", retry=True)  # retried already, as trial 6
    api.delete(f"{TRIALS}/6")  # cancelled in the queue: it has not run
    answer = retry_failed(api, limit=2)
    assert answer == {
        "trials": [{"trial_id": 1, "retried_as": 7}, {"trial_id": 3, "retried_as": 8}],
        "n_left": 1,
    }
    assert retry_failed(api) == {"trials": [{"trial_id": 4, "retried_as": 9}], "n_left": 0}
    assert retry_failed(api) == {"trials": [], "n_left": 0}
    assert get_study(api)["trial_counts"]["WAITING"] == 3


@pytest.mark.parametrize("by", ["max_failures", "request"])
def test_completed_study_becomes_active(api: APIClient, by: str) -> None:
    create(api, **({"max_failures": 1} if by == "max_failures" else {}))
    suggest(api)
    fail(api, 0)
    if by == "request":
        api.post(f"{URL}/complete")
    assert study_state(api)[0] == "COMPLETED"
    assert retry(api, 0)["retried_as"] == 1
    assert study_state(api) == ("ACTIVE", None)
    assert suggest(api)["trial_id"] == 1


def test_exhausted_space_is_tried_again(api: APIClient) -> None:
    space = [{"type": "categorical", "name": "c", "choices": ["a", "b"]}]
    create(api, search_space=space, duplicates="avoid")
    suggest_batch(api, 2)
    complete(api, "search", 0, 1)
    fail(api, 1)
    assert_study_completed(api, "space_exhausted")
    retry(api, 1)
    assert study_state(api)[0] == "ACTIVE"
    complete(api, "search", suggest(api)["trial_id"], 1)
    assert_study_completed(api, "space_exhausted")


def test_retry_without_room_is_refused_and_stores_nothing(api: APIClient) -> None:
    create(api, max_trials=2)
    suggest_batch(api, 2)
    fail(api, 0)
    suggest(api)
    complete(api, "search", 1, 1), complete(api, "search", 2, 1)
    assert study_state(api) == ("COMPLETED", "max_trials")
    before = list_trials(api)
    assert_refused(api.post(f"{TRIALS}/0/retry"), 409, "max_trials_exceeded")
    assert_refused(api.post(f"{URL}/retry-failed"), 409, "max_trials_exceeded")
    api.patch(URL, {"deadline": "2020-01-01T00:00:00Z", "max_trials": None})
    assert_refused(api.post(f"{TRIALS}/0/retry"), 409, "study_completed")
    assert list_trials(api) == before
    assert study_state(api)[0] == "COMPLETED"


def test_cancelled_study_retries_nothing(api: APIClient) -> None:
    create(api)
    suggest(api)
    fail(api, 0)
    api.post(f"{URL}/cancel")
    assert_refused(api.post(f"{TRIALS}/0/retry"), 409, "study_cancelled")
    assert_refused(api.post(f"{URL}/retry-failed"), 409, "study_cancelled")


@pytest.mark.parametrize("limit", [0, -1, 1001, "1", 1.5, True])
def test_invalid_limit_is_refused(api: APIClient, limit: Any) -> None:
    create(api)
    response = api.post(f"{URL}/retry-failed", {"limit": limit})
    assert [each["pointer"] for each in response.json()["errors"]] == ["/limit"]

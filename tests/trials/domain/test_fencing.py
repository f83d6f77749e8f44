"""A result belongs to its attempt: to the study and the worker that the trial was given to."""

from typing import Any

import pytest
from rest_framework.test import APIClient

from tests.support import JSON
from tests.support.api_client import (
    assert_refused,
    complete,
    create_study,
    list_trials,
    suggest,
    suggest_batch,
    trial_action,
)
from tests.support.database import move_leases_into_past
from tests.support.optuna_oracle import load_optuna_study

pytestmark = pytest.mark.usefixtures("both_schemas_agree")

URL = "/api/v1/studies/search/trials"
CALLS: list[tuple[str, JSON]] = [
    ("report", {"step": 0, "value": 1}),
    ("heartbeat", {}),
    ("complete", {"values": 1}),
    ("prune", {}),
    ("fail", {"reason": "gone"}),
]


def create(api: APIClient, **definition: Any) -> JSON:
    return create_study(api, sampler="random", pruner="none", lease_seconds=60, **definition)


@pytest.mark.parametrize(("call", "body"), CALLS)
def test_request_for_the_right_study_and_worker_is_accepted(
    api: APIClient, call: str, body: JSON
) -> None:
    create(api)
    offer = suggest(api, worker_id="w")
    fence = {"study_id": offer["study_id"], "worker_id": "w"}
    trial_action(api, 0, call, **body, **fence)
    if call not in ("report", "heartbeat"):
        trial_action(api, 0, call, **body, **fence)  # repeated


@pytest.mark.parametrize(("call", "body"), CALLS)
def test_request_of_a_deleted_study_is_refused(api: APIClient, call: str, body: JSON) -> None:
    """The study was created again under its name, and its trial 0 is another worker's."""
    create(api)
    old = suggest(api, worker_id="old")
    assert suggest(api, worker_id="old")["study_id"] == old["study_id"]
    api.delete("/api/v1/studies/search")
    new_id = create(api)["study_id"]
    assert new_id != old["study_id"]
    suggest(api, worker_id="new")
    before = list_trials(api)
    response = api.post(f"{URL}/0/{call}", body | {"study_id": old["study_id"]})
    assert assert_refused(response, 409, "study_replaced")["study_id"] == new_id
    assert list_trials(api) == before
    trial_action(api, 0, call, **body, study_id=new_id, worker_id="new")


@pytest.mark.parametrize(("call", "body"), CALLS)
@pytest.mark.parametrize("holder", ["new", ""])
def test_request_of_another_worker_is_refused(
    api: APIClient, call: str, body: JSON, holder: str
) -> None:
    create(api)
    suggest(api, **({"worker_id": holder} if holder else {}))
    before = list_trials(api)
    assert_refused(api.post(f"{URL}/0/{call}", body | {"worker_id": "old"}), 409, "not_holder")
    assert list_trials(api) == before
    assert load_optuna_study("search").trials[0].state.name == "RUNNING"
    trial_action(api, 0, call, **body)


def test_repeated_result_of_another_worker_is_refused(api: APIClient) -> None:
    create(api)
    suggest(api, worker_id="w")
    complete(api, "search", 0, 1)
    body = {"values": 1, "worker_id": "v"}
    assert_refused(api.post(f"{URL}/0/complete", body), 409, "not_holder")
    trial_action(api, 0, "complete", values=1, worker_id="w")


def test_missing_study_and_trial_stay_404(api: APIClient) -> None:
    fence = {"study_id": create(api)["study_id"], "worker_id": "w"}
    assert_refused(api.post(f"{URL}/7/heartbeat", fence), 404, "trial_not_found")
    api.delete("/api/v1/studies/search")
    for call, body in CALLS:
        assert_refused(api.post(f"{URL}/0/{call}", body | fence), 404, "study_not_found")


def test_each_item_of_a_batch_has_its_own_fence(api: APIClient) -> None:
    study_id = create(api)["study_id"]
    suggest_batch(api, 2, worker_id="w")
    suggest(api, worker_id="v")
    items = [
        {"trial_id": 0, "values": 1, "study_id": study_id, "worker_id": "w"},
        {"trial_id": 1, "values": 1, "study_id": study_id + 1, "worker_id": "w"},
        {"trial_id": 2, "values": 1, "worker_id": "w"},
        {"trial_id": 9, "values": 1, "study_id": study_id + 1},
    ]
    results = api.post(f"{URL}/complete-batch", {"trials": items}).json()["results"]
    codes = [each.get("error", {}).get("code") for each in results]
    assert codes == [None, "study_replaced", "not_holder", "study_replaced"]
    assert [each["state"] for each in list_trials(api)] == ["COMPLETE", "RUNNING", "RUNNING"]


def test_refused_heartbeat_renews_no_lease(api: APIClient) -> None:
    create(api, max_retries=1)
    suggest(api, worker_id="w")
    move_leases_into_past()
    for fence in ({"worker_id": "v"}, {"study_id": 1}):
        assert api.post(f"{URL}/0/heartbeat", fence).status_code == 409
    assert suggest(api, worker_id="v")["retry_of"] == 0
    assert_refused(api.post(f"{URL}/0/heartbeat", {"worker_id": "w"}), 409, "lease_lost")
    assert_refused(api.post(f"{URL}/0/heartbeat", {"worker_id": "v"}), 409, "not_holder")

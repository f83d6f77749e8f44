"""What a trial collects over its requests is bounded, by every request that adds to it."""

from typing import Any

import pytest
from rest_framework.test import APIClient

from tests.support import JSON
from tests.support.api_client import (
    TRIALS_URL,
    assert_refused,
    create_study,
    start_trial,
    trial_action,
)
from tests.support.database import recorded_statements
from tests.support.transfer_files import (
    delete_study,
    export_study,
    import_file,
    set_keys,
    with_line_changed,
)


@pytest.fixture
def running(api: APIClient, settings: Any) -> int:
    """A running trial with 90 of 100 bytes of attributes, and 3 of 4 steps."""
    settings.MAX_TRIAL_ATTRIBUTE_BYTES, settings.MAX_STEPS_PER_TRIAL = 100, 4
    create_study(api, pruner="none")
    number = start_trial(api)
    trial_action(api, number, "report", values={"1": 1, "2": 2, "3": 3}, user_attrs={"a": "x" * 81})
    return number


def stored(api: APIClient, number: int) -> JSON:
    return api.get(f"{TRIALS_URL}/{number}").json()


@pytest.mark.parametrize("action", ["report", "heartbeat", "complete", "prune", "fail", "patch"])
def test_attributes_of_a_trial_are_bounded(api: APIClient, running: int, action: str) -> None:
    before = stored(api, running)
    needed = {"report": {"step": 1, "value": 1}, "complete": {"values": 1}}.get(action, {})
    url = f"{TRIALS_URL}/{running}"

    def send(attrs: JSON) -> Any:
        if action == "patch":
            return api.patch(url, {"user_attrs": attrs})
        return api.post(f"{url}/{action}", {**needed, "user_attrs": attrs})

    problem = assert_refused(send({"b": "y" * 10}), 400, "invalid")
    assert problem["detail"].startswith(
        "the trial would have user attributes of 109 bytes as JSON; at most 100 are allowed"
    )
    assert [error["pointer"] for error in problem["errors"]] == ["/user_attrs"]
    assert stored(api, running) == before
    assert send({"a": "y" * 91}).status_code == 200  # replaces the one that is there
    assert stored(api, running)["user_attrs"] == {"a": "y" * 91}


def test_steps_of_a_trial_are_bounded(api: APIClient, running: int) -> None:
    before = stored(api, running)
    url = f"{TRIALS_URL}/{running}/report"
    problem = assert_refused(api.post(url, {"values": {"4": 4, "5": 5}}), 400, "invalid")
    assert problem["detail"] == (
        "the trial would have 5 intermediate values; at most 4 are allowed: report fewer steps"
    )
    assert stored(api, running) == before
    steps = {"1": 9, "2": 9, "3": 9, "4": 4}  # three of them are replaced
    assert api.post(url, {"values": steps}).status_code == 200
    assert stored(api, running)["intermediate_values"] == steps


@pytest.mark.parametrize(
    ("action", "body"), [("complete", {"values": 1}), ("prune", {}), ("fail", {})]
)
def test_result_is_not_refused_for_its_steps(
    api: APIClient, running: int, action: str, body: JSON
) -> None:
    steps = {str(step): step for step in range(20)}
    trial = trial_action(api, running, action, **body, intermediate_values=steps)
    assert trial["intermediate_values"] == steps


def test_item_of_a_batch_is_bounded_alone(api: APIClient, running: int) -> None:
    other = start_trial(api)
    items = [
        {"trial_id": running, "values": 1, "user_attrs": {"b": "y" * 10}},
        {"trial_id": other, "values": 1, "user_attrs": {"b": "y" * 10}},
    ]
    results = api.post(f"{TRIALS_URL}/complete-batch", {"trials": items}).json()["results"]
    assert [each["status"] for each in results] == [400, 200]
    assert results[0]["error"]["errors"][0]["pointer"] == "/trials/0/user_attrs"
    assert stored(api, running)["state"] == "RUNNING"


def test_recorded_trial_is_bounded(api: APIClient, running: int) -> None:
    steps = {str(step): 1 for step in range(5)}
    trial = {"params": {"x": 0.5}, "state": "COMPLETE", "values": 1, "intermediate_values": steps}
    problem = assert_refused(api.post(TRIALS_URL, trial), 400, "invalid")
    assert problem["detail"].startswith("the trial would have 5 intermediate values; at most 4")


def test_imported_trial_above_the_limits_can_end(api: APIClient, running: int) -> None:
    file = export_study(api)
    delete_study(api)
    large = {"user_attrs": {"a": "x" * 1000}, "intermediate_values": dict.fromkeys("123456", 1)}
    import_file(api, with_line_changed(file, 2, set_keys(**large)))
    trial_action(api, running, "report", step=6, value=2)
    assert_refused(
        api.post(f"{TRIALS_URL}/{running}/report", {"step": 7, "value": 2}), 400, "invalid"
    )
    smaller = {"a": "x" * 999}
    assert (
        trial_action(api, running, "complete", values=1, user_attrs=smaller)["user_attrs"]
        == smaller
    )


def test_limits_cost_no_statement(api: APIClient, running: int, settings: Any) -> None:
    counts = []
    for most in (0, 10**6):
        settings.MAX_TRIAL_ATTRIBUTE_BYTES = settings.MAX_STEPS_PER_TRIAL = most
        with recorded_statements() as statements:
            trial_action(api, running, "report", step=most, value=1, user_attrs={"b": most})
        counts.append(len(statements))
    assert counts[0] == counts[1]

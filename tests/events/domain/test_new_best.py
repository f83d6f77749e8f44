"""`study.new_best`: at most once a minute, and the last one is not lost."""

from typing import Any

import pytest
from rest_framework.test import APIClient

from events.domain.best import announce_best
from tests.support.api_client import (
    STUDY_URL,
    add_trials,
    complete,
    create_study,
    start_trial,
    suggest_batch,
    trial_action,
)
from tests.support.events import event_types, last_event, let_pass, list_events

BEST = "study.new_best"
TWO = ["minimize", "minimize"]


def tell(api: APIClient, *values: float) -> int:
    number = start_trial(api)
    complete(api, "search", number, values[0] if len(values) == 1 else list(values))
    return number


def told(api: APIClient) -> list[Any]:
    """What events of new best trials said, by number of the trial."""
    events = list_events(api, limit=1000)
    return [each["data"]["trial_id"] for each in events if each["type"] == BEST]


def test_second_best_within_a_minute_is_told_of_after_it(api: APIClient) -> None:
    create_study(api, direction="minimize", sampler="random")
    for value in (3, 2, 1):
        tell(api, value)
    assert (announce_best(), told(api)) == (0, [0])
    let_pass(61)
    assert (announce_best(), told(api)) == (1, [0, 2])
    assert last_event(api)["data"]["values"] == [1.0]
    let_pass(61)
    assert (announce_best(), told(api)) == (0, [0, 2])


def test_best_after_a_minute_is_told_of_at_once(api: APIClient) -> None:
    create_study(api, direction="minimize", sampler="random")
    tell(api, 3)
    let_pass(61)
    tell(api, 2)
    assert told(api) == [0, 1]
    let_pass(61)
    assert announce_best() == 0


def test_another_process_keeps_to_the_same_minute(api: APIClient) -> None:
    create_study(api, direction="minimize", sampler="random")
    tell(api, 3)
    let_pass(30)  # which also makes this process forget what it did
    tell(api, 2)
    assert told(api) == [0]


def test_best_of_a_batch_is_told_of(api: APIClient) -> None:
    create_study(api, direction="minimize", sampler="random")
    numbers = [each["trial_id"] for each in suggest_batch(api, 4)]
    results = [
        {"trial_id": number, "state": "COMPLETE", "values": value}
        for number, value in zip(numbers, (3, 1, 2, 1), strict=True)
    ]
    assert api.post(f"{STUDY_URL}/trials/complete-batch", {"trials": results}).status_code == 200
    assert told(api) == [1]


def test_recorded_result_may_be_the_best(api: APIClient) -> None:
    create_study(api, direction="minimize")
    add_trials(api, {"params": {"x": 0.5}, "state": "COMPLETE", "values": 0.5})
    assert event_types(api) == ["study.created", BEST]
    assert last_event(api)["data"] == {"trial_id": 0, "values": [0.5], "params": {"x": 0.5}}


def test_front_that_changes_is_a_new_best(api: APIClient) -> None:
    create_study(api, direction=TWO, sampler="random")
    tell(api, 1, 1)
    let_pass(61)
    tell(api, 2, 2)  # dominated
    assert told(api) == [0]
    let_pass(61)
    assert announce_best() == 0
    tell(api, 0, 2)
    assert told(api) == [0, 2]
    assert last_event(api)["data"]["values"] == [0.0, 2.0]
    tell(api, 2, 0)
    tell(api, 3, 3)
    let_pass(61)
    announce_best()
    assert told(api) == [0, 2, 3]


def test_batch_tells_of_the_last_one_on_the_front(api: APIClient) -> None:
    create_study(api, direction=TWO, sampler="random")
    numbers = [each["trial_id"] for each in suggest_batch(api, 3)]
    results = [
        {"trial_id": number, "state": "COMPLETE", "values": values}
        for number, values in zip(numbers, ([1, 2], [2, 1], [3, 3]), strict=True)
    ]
    assert api.post(f"{STUDY_URL}/trials/complete-batch", {"trials": results}).status_code == 200
    assert told(api) == [1]


def test_dominated_trial_does_not_hide_the_next_one(api: APIClient) -> None:
    create_study(api, direction=TWO, sampler="random")
    tell(api, 1, 1)
    let_pass(61)
    tell(api, 2, 2)  # this process has just looked, and there was nothing to tell
    tell(api, 0, 0)
    assert told(api) == [0]
    assert (announce_best(), told(api)) == (1, [0, 2])


@pytest.mark.parametrize("direction", ["minimize", TWO])
def test_best_that_is_left_after_an_invalidation_is_told_of(api: APIClient, direction: Any) -> None:
    create_study(api, direction=direction, sampler="random")
    n = 1 if direction == "minimize" else 2
    for value in (2.0, 1.0):
        tell(api, *[value] * n)
        let_pass(61)
    trial_action(api, 1, "invalidate", reason="wrong data")
    announce_best()
    assert told(api) == [0, 1, 0]
    let_pass(61)
    trial_action(api, 0, "invalidate", reason="wrong data")
    assert announce_best() == 1
    assert (announce_best(), told(api)) == (0, [0, 1, 0])


def test_group_of_repeats_is_told_of_by_its_first_trial(api: APIClient) -> None:
    create_study(api, direction="minimize", sampler="random", repeats={"n": 2})
    assert (tell(api, 1.0), told(api)) == (0, [])
    assert (tell(api, 2.0), told(api)) == (1, [0])
    assert last_event(api)["data"]["values"] == [1.5]
    let_pass(61)
    tell(api, 3.0), tell(api, 3.0)
    assert told(api) == [0]
    tell(api, 0.0), tell(api, 1.0)
    assert told(api) == [0, 4]


def test_infeasible_best_is_not_told_of(api: APIClient) -> None:
    create_study(api, direction="minimize", sampler="random", constraints=["memory"])
    complete(api, "search", start_trial(api), 0.1, constraints={"memory": 1})
    complete(api, "search", start_trial(api), 0.5, constraints={"memory": 0})
    assert told(api) == [1]


def test_very_many_parameters_are_left_out(api: APIClient) -> None:
    choices = [f"{index} {'x' * 500}" for index in range(2)]
    space = [
        {"type": "categorical", "name": f"p{index}", "choices": choices} for index in range(40)
    ]
    create_study(api, search_space=space, sampler="random")
    tell(api, 1.0)
    assert last_event(api)["data"]["params"] is None

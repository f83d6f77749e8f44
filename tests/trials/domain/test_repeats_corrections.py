"""Points of noisy objectives whose repeats are corrected: retried, invalidated, or told late."""

from functools import partial
from typing import Any

import pytest
from rest_framework.test import APIClient

from optuna_bridge.system_attrs import keys_referring_to
from tests.support import JSON
from tests.support.api_client import (
    STUDY_URL,
    TRIALS_URL,
    assert_schemas_agree,
    complete,
    create_study,
    get_study,
    start_trial,
    study_state,
    suggest_batch,
    trial_action,
)
from tests.support.database import move_leases_into_past, recorded_statements
from tests.support.transfer_files import clone_study
from trials.models import Trial, repeats

create = partial(
    create_study, sampler="random", pruner="none", direction="minimize", repeats={"n": 3}
)


def tell_point(api: APIClient, *values: Any) -> int:
    """Ask for the repeats of a point and tell their values, None as a failure; its first number."""
    trials = suggest_batch(api, len(values))
    for trial, value in zip(trials, values, strict=True):
        if value is None:
            trial_action(api, trial["trial_id"], "fail")
        else:
            complete(api, "search", trial["trial_id"], value)
    first: int = trials[0]["trial_id"]
    return first


def invalidate(api: APIClient, number: int) -> None:
    response = api.post(f"{TRIALS_URL}/{number}/invalidate", {"reason": "wrong"})
    assert response.status_code == 200, response.content


def test_attempt_that_a_late_result_replaced_is_not_retried(api: APIClient) -> None:
    create(api, max_retries=1, lease_seconds=60)
    start_trial(api)
    move_leases_into_past()
    start_trial(api)
    complete(api, "search", 0, 1)
    assert api.get(f"{TRIALS_URL}/3").json()["state"] == "FAIL"
    response = api.post(f"{TRIALS_URL}/3/retry")  # else the point would have four repeats
    assert (response.status_code, response.json()["code"]) == (409, "trial_not_failed")
    invalidate(api, 0)
    response = api.post(f"{TRIALS_URL}/3/retry")
    assert "retry trial 0 if it fails" in response.json()["detail"]
    assert api.post(f"{TRIALS_URL}/0/retry").status_code == 200
    assert_schemas_agree()


def test_corrected_point_that_was_not_best_leaves_the_count_as_it_is(api: APIClient) -> None:
    create(api, stop_after_no_improvement={"trials": 50})
    best, bad = tell_point(api, 2, 2, 2), tell_point(api, 5, 5, 0)
    tell_point(api, 4, 4, 4)
    with recorded_statements() as work:
        invalidate(api, bad)
    assert not [sql for sql, _ in work if "SET on_front = false" in sql]  # found anew
    assert get_study(api)["n_trials_without_improvement"] == 2
    assert get_study(api)["best_value"] == 2
    invalidate(api, bad + 1)
    assert api.get(f"{STUDY_URL}/best").json()["trial_id"] == bad  # its mean is 0 now
    invalidate(api, bad + 2)
    assert api.get(f"{STUDY_URL}/best").json()["trial_id"] == best
    assert get_study(api)["n_trials_without_improvement"] == 0


@pytest.mark.parametrize("correction", ["retry", "invalidate"])
def test_genetic_sampler_forgets_parents_of_corrected_points(
    api: APIClient, correction: str
) -> None:
    options = {"population_size": 2, "seed": 1}
    create(api, sampler="nsgaii", sampler_options=options)
    for value in range(3):
        tell_point(api, value, None, value)
    tell_point(api, 9, 9, 9)
    ids = dict(Trial.objects.values_list("number", "id"))

    def parents_with(number: int) -> list[str]:
        stored = Trial.objects.filter(study_attrs__isnull=False)
        attrs: list[JSON] = list(stored.values_list("study_attrs", flat=True))
        return [key for each in attrs for key in keys_referring_to(each, [ids[number]])]

    assert parents_with(0)
    if correction == "retry":
        assert api.post(f"{TRIALS_URL}/1/retry").status_code == 200
    else:
        invalidate(api, 2)
    assert not parents_with(0)
    assert_schemas_agree()


def test_genetic_sampler_of_a_clone_learns_from_points_whose_first_repeat_failed(
    api: APIClient,
) -> None:
    create(api, sampler="nsgaii", sampler_options={"population_size": 2, "seed": 1})
    for value in range(2):
        tell_point(api, None, value, value)
    clone_study(api, name="copy")
    suggest_batch(api, 1, "copy")
    drawn = Trial.objects.get(study__name="copy", number=6)
    assert drawn.system_attrs["NSGAIISampler:generation"] == 1
    assert_schemas_agree("copy")


def test_results_of_a_batch_count_when_their_points_are_whole(api: APIClient) -> None:
    create(api, repeats={"n": 2}, stop_after_no_improvement={"trials": 9})
    numbers = [each["trial_id"] for each in suggest_batch(api, 4)]
    body = [
        {"trial_id": numbers[index], "state": "COMPLETE", "values": value}
        for index, value in ((0, 5), (2, 1), (3, 1), (1, 5))
    ]
    assert api.post(f"{TRIALS_URL}/complete-batch", {"trials": body}).status_code == 200
    assert get_study(api)["n_trials_without_improvement"] == 1  # the second point came first


def test_groups_of_a_batch_are_read_in_parts(
    api: APIClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repeats, "MEMBERS_AT_A_TIME", 6)
    create(api)
    trials = suggest_batch(api, 15)
    body = [
        {"trial_id": trial["trial_id"], "state": "COMPLETE", "values": -index}
        for index, trial in enumerate(trials)
    ]
    with recorded_statements() as work:
        assert api.post(f"{TRIALS_URL}/complete-batch", {"trials": body}).status_code == 200
    assert sum('"repeat_group" IN' in sql for sql, _ in work) == 3
    found = api.get(f"{STUDY_URL}/best").json()
    assert (found["trial_id"], found["value"]) == (12, -13)


def test_budget_below_another_point_is_not_left_over(api: APIClient) -> None:
    create(api, max_trials=8)
    n_left = []
    for _ in range(2):
        n_left.append(api.get(f"{STUDY_URL}/progress").json()["n_left"])
        trials = suggest_batch(api, 3)
        n_left.append(api.get(f"{STUDY_URL}/progress").json()["n_left"])
        for trial in trials:
            complete(api, "search", trial["trial_id"], 0)
    n_left.append(api.get(f"{STUDY_URL}/progress").json()["n_left"])
    assert n_left == [6, 6, 3, 3, 0]
    assert study_state(api) == ("COMPLETED", "max_trials")


def test_importance_does_without_invalidated_points(api: APIClient) -> None:
    create(api, repeats={"n": 2})
    points = [tell_point(api, value, value) for value in (1, 3, 2)]
    url = f"{STUDY_URL}/importance?method=ped_anova"
    assert api.get(url).json()["n_trials"] == 3
    for number in (points[0], points[0] + 1):
        invalidate(api, number)
    assert api.get(url).json()["n_trials"] == 2


def test_importance_needs_two_points(api: APIClient) -> None:
    create(api)
    tell_point(api, 1, 2, 3)
    response = api.get(f"{STUDY_URL}/importance")
    assert (response.status_code, response.json()["code"]) == (400, "too_few_trials")

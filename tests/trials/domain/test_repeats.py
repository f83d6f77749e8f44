"""Repeats of noisy objectives, over the API."""

import random
from collections import Counter
from functools import partial
from typing import Any

import pytest
from django.db import connection
from rest_framework.test import APIClient

from tests.support import JSON, X_SPACE
from tests.support.api_client import (
    STUDY_URL,
    TRIALS_URL,
    add_trials,
    assert_schemas_agree,
    assert_study_completed,
    assert_try_later,
    complete,
    create_study,
    get_study,
    post_study,
    post_suggest,
    prune,
    start_trial,
    study_state,
    suggest,
    suggest_batch,
    trial_action,
)
from tests.support.creation import assert_invalid
from tests.support.database import recorded_statements
from tests.support.optuna_oracle import load_optuna_study
from tests.support.transfer_files import clone_study, delete_study, export_study, import_file

REPEATS = {"n": 3, "aggregate": "mean"}

create = partial(
    create_study, sampler="random", pruner="none", direction="minimize", repeats=REPEATS
)


def best(api: APIClient) -> JSON:
    response = api.get(f"{STUDY_URL}/best")
    assert response.status_code == 200, response.content
    found: JSON = response.json()
    return found


def tell_group(api: APIClient, *values: Any) -> int:
    """Ask for the repeats of a point and tell their values; the number of the first."""
    trials = suggest_batch(api, len(values))
    for trial, value in zip(trials, values, strict=True):
        complete(api, "search", trial["trial_id"], value)
    first: int = trials[0]["trial_id"]
    return first


def listed(api: APIClient, query: str = "limit=1000") -> list[JSON]:
    found: list[JSON] = api.get(f"{TRIALS_URL}?{query}").json()
    return found


# Handing out -------------------------------------------------------------------------------


def test_point_is_handed_out_n_times_with_seeds(api: APIClient) -> None:
    create(api)
    trials = [suggest(api) for _ in range(7)]
    repeats = [trial["repeat"] for trial in trials]
    assert [(each["group"], each["index"]) for each in repeats] == [
        *((0, index) for index in range(3)),
        *((3, index) for index in range(3)),
        (6, 0),
    ]
    seeds = [each["seed"] for each in repeats]
    assert seeds[:3] == seeds[3:6]  # all points are compared under the same seeds
    assert len(set(seeds)) == 3
    assert all(0 <= seed < 2**31 for seed in seeds)
    points = [trial["params"]["x"] for trial in trials]
    assert points == [points[0]] * 3 + [points[3]] * 3 + [points[6]]
    assert len(set(points)) == 3
    assert (
        get_study(api)["trial_counts"] | {"WAITING": 2, "RUNNING": 7}
        == get_study(api)["trial_counts"]
    )
    assert [each["trial_id"] for each in listed(api, "repeat_group=3")] == [3, 4, 5]
    assert get_study(api)["repeats"] == REPEATS
    assert_schemas_agree()


def test_batch_has_whole_points_and_leaves_the_rest_waiting(api: APIClient) -> None:
    create(api)
    first = suggest_batch(api, 5)
    assert [each["repeat"]["index"] for each in first] == [0, 1, 2, 0, 1]
    second = suggest_batch(api, 2)
    assert [(each["repeat"]["group"], each["repeat"]["index"]) for each in second] == [
        (3, 2),
        (6, 0),
    ]


@pytest.mark.parametrize("params", [{"x": 0.5, "n": 3}, {"n": 3}])
def test_queued_point_is_repeated_at_one_point(api: APIClient, params: JSON) -> None:
    space = [*X_SPACE, {"type": "int", "name": "n", "low": 0, "high": 9}]
    create(api, search_space=space)
    queued = add_trials(api, {"params": params, "priority": 1})
    assert queued["repeat"]["group"] == 0
    trials = [suggest(api) for _ in range(2)] + suggest_batch(api, 2)
    assert [each["trial_id"] for each in trials] == [0, 1, 2, 3]
    assert trials[0]["params"] | params == trials[0]["params"]
    assert all(each["params"] == trials[0]["params"] for each in trials[:3])
    assert trials[3]["params"] != trials[0]["params"]
    assert_schemas_agree()


def test_queued_point_is_cancelled_as_a_whole(api: APIClient) -> None:
    create(api)
    add_trials(api, [{"params": {"x": 0.5}}, {"params": {"x": 0.25}}])
    assert api.delete(f"{TRIALS_URL}/1").status_code == 200
    assert [each["state"] for each in listed(api)] == ["FAIL"] * 3 + ["WAITING"] * 3
    response = api.post(f"{TRIALS_URL}/1/retry")
    assert (response.status_code, response.json()["code"]) == (409, "trial_not_failed")
    assert suggest(api)["trial_id"] == 3
    assert api.delete(f"{TRIALS_URL}/5").status_code == 200  # of a point that has begun: alone
    assert [each["state"] for each in listed(api)][3:] == ["RUNNING", "WAITING", "FAIL"]


def test_max_trials_is_kept_and_filled_with_whole_points(api: APIClient) -> None:
    create(api, max_trials=8)
    for _ in range(2):
        tell_group(api, 1, 2, 3)
    assert_study_completed(api, "max_trials")
    assert get_study(api)["n_trials"] == 6


def test_failed_repeat_of_a_full_study_can_be_retried(api: APIClient) -> None:
    create(api, max_trials=3)
    trials = suggest_batch(api, 3)
    trial_action(api, 0, "fail")
    for trial in trials[1:]:
        complete(api, "search", trial["trial_id"], 1)
    assert_study_completed(api, "max_trials")
    assert best(api)["value"] == 1
    assert api.post(f"{TRIALS_URL}/0/retry").status_code == 200
    assert study_state(api) == ("ACTIVE", None)
    assert api.get(f"{STUDY_URL}/best").status_code == 404  # its point is open again
    retry = suggest(api)
    assert (retry["trial_id"], retry["retry_of"]) == (3, 0)
    assert retry["repeat"] == trials[0]["repeat"]  # also the seed
    complete(api, "search", 3, 4)
    assert (best(api)["trial_id"], best(api)["value"]) == (0, 2)
    assert_study_completed(api, "max_trials")


def test_max_concurrent_counts_what_runs(api: APIClient) -> None:
    create(api, max_concurrent=2)
    assert len(suggest_batch(api, 5)) == 2
    assert_try_later(post_suggest(api), "too_many_running")
    complete(api, "search", 0, 1)
    assert suggest(api)["repeat"]["index"] == 2


def test_repeats_of_a_point_are_no_duplicates(api: APIClient) -> None:
    space = [{"type": "int", "name": "x", "low": 1, "high": 2}]
    for sampler in ("random", "brute_force"):
        create(api, name=sampler, search_space=space, sampler=sampler, duplicates="avoid")
        counts = Counter(suggest(api, sampler)["params"]["x"] for _ in range(6))
        assert counts == {1: 3, 2: 3}
        assert_try_later(post_suggest(api, sampler), "budget_in_flight")
        for number in range(6):
            complete(api, sampler, number, 1)
        assert study_state(api, sampler) == ("COMPLETED", "space_exhausted")


# Judging -----------------------------------------------------------------------------------


def test_best_is_the_best_mean_and_not_the_luckiest_repeat(api: APIClient) -> None:
    create(api, repeats={"n": 20})
    rng = random.Random(5)
    means = {}
    for position in range(8):
        trials = suggest_batch(api, 20)
        x = trials[0]["params"]["x"]
        values = [x + rng.gauss(0, 1) for _ in trials]
        if position == 3:  # the luckiest of all, of a point that is bad
            values[:2] = [-20, 60]
        means[trials[0]["trial_id"]] = sum(values) / 20
        body = [
            {"trial_id": trial["trial_id"], "state": "COMPLETE", "values": value}
            for trial, value in zip(trials, values, strict=True)
        ]
        answer = api.post(f"{TRIALS_URL}/complete-batch", {"trials": body}).json()
        assert [each["status"] for each in answer["results"]] == [200] * 20
    found = best(api)
    expected = min(means, key=lambda number: means[number])
    assert found["trial_id"] == expected
    assert found["value"] == pytest.approx(means[expected])
    assert found["repeats"]["trial_ids"] == list(range(expected, expected + 20))
    assert 0.1 < found["repeats"]["standard_error"] < 0.4
    luckiest = load_optuna_study().best_trial  # which stock Optuna takes for the best
    assert luckiest.number == 60
    assert luckiest.number not in found["repeats"]["trial_ids"]
    history = api.get(f"{STUDY_URL}/history").json()
    assert [each["trial_id"] for each in history["trials"]] == sorted(means)
    assert history["trials"][-1]["best_value"] == found["value"]
    importance = api.get(f"{STUDY_URL}/importance").json()
    assert (importance["n_trials"], importance["n_complete"]) == (8, 8)
    for kind in ("history", "slice", "timeline", "edf"):
        assert api.get(f"{STUDY_URL}/plots/{kind}").status_code == 200


def test_target_and_improvement_go_by_whole_points(api: APIClient) -> None:
    create(api, target_value=1, stop_after_no_improvement={"trials": 2})
    tell_group(api, 0, 0, 9)
    assert study_state(api) == ("ACTIVE", None)
    assert get_study(api)["best_value"] == 3
    tell_group(api, 9, 9, 9)
    assert get_study(api)["n_trials_without_improvement"] == 1
    tell_group(api, 0, 1, 2)
    assert_study_completed(api, "target_value")


def test_late_and_invalidated_results_change_the_aggregate(api: APIClient) -> None:
    create(api)
    other, first = tell_group(api, 4, 4, 4), tell_group(api, 1, 2, 3)
    assert (best(api)["trial_id"], best(api)["value"]) == (first, 2)
    body = {"reason": "wrong"}
    assert api.post(f"{TRIALS_URL}/{first}/invalidate", body).status_code == 200
    assert (best(api)["trial_id"], best(api)["value"]) == (first, 2.5)
    for number in (first + 1, first + 2):
        assert api.post(f"{TRIALS_URL}/{number}/invalidate", body).status_code == 200
    assert (best(api)["trial_id"], best(api)["value"]) == (other, 4)


def test_pareto_front_has_aggregates(api: APIClient) -> None:
    create(api, direction=["minimize", "minimize"], repeats={"n": 2, "aggregate": "worst"})
    good = tell_group(api, [1, 5], [2, 4])
    tell_group(api, [0, 9], [9, 0])  # each repeat alone would be on the front
    front = api.get(f"{STUDY_URL}/pareto").json()
    assert [(each["trial_id"], each["values"]) for each in front] == [(good, [2, 5])]
    assert best(api)["repeats"]["standard_error"] == pytest.approx([0.5, 0.5])
    assert api.get(f"{STUDY_URL}/plots/pareto_front").status_code == 200


def test_constraints_are_aggregated(api: APIClient) -> None:
    create(api, constraints=["c"])
    for values, limits in (((1, 1, 1), (-1, -1, 5)), ((2, 2, 2), (-3, 1, 1))):
        for trial, value, limit in zip(suggest_batch(api, 3), values, limits, strict=True):
            number = trial["trial_id"]
            complete(api, "search", number, value, constraints={"c": limit})
        if limits[0] == -1:
            problem = api.get(f"{STUDY_URL}/best").json()
            assert problem["code"] == "no_feasible_trial"
            assert problem["least_violating"]["constraints"] == {"c": 1}
    assert (best(api)["trial_id"], best(api)["value"]) == (3, 2)


def test_survivor_of_pruned_repeats_is_not_the_best(api: APIClient) -> None:
    create(api)
    for number in (start_trial(api), start_trial(api)):
        prune(api, "search", number)
    complete(api, "search", start_trial(api), -99)
    tell_group(api, 1, 1, 1)
    assert best(api)["trial_id"] == 3


def test_recorded_result_is_a_point_of_its_own(api: APIClient) -> None:
    create(api)
    known = {"params": {"x": 0.5}, "state": "COMPLETE", "values": 1}
    assert add_trials(api, known)["repeat"]["group"] == 0
    assert best(api)["repeats"] == {"trial_ids": [0], "values": [1], "standard_error": None}


# Definition and files ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("definition", "pointer"),
    [
        ({"repeats": {"n": 1}}, "/repeats/n"),
        ({"repeats": {"n": 101}}, "/repeats/n"),
        ({"repeats": {"n": 3.0}}, "/repeats/n"),
        ({"repeats": {"aggregate": "mean"}}, "/repeats/n"),
        ({"repeats": {"n": 3, "aggregate": "best"}}, "/repeats/aggregate"),
        ({"repeats": {"n": 3, "m": 3}}, "/repeats/m"),
        ({"repeats": 3}, "/repeats"),
    ],
)
def test_wrong_repeats_are_refused(api: APIClient, definition: JSON, pointer: str) -> None:
    assert_invalid(post_study(api, **definition), pointer)


def test_budget_below_one_point_is_refused(api: APIClient) -> None:
    response = post_study(api, repeats=REPEATS, max_trials=2)
    assert response.status_code == 400
    assert response.json()["errors"][0]["pointer"] == "/max_trials"
    create(api, max_trials=3)
    response = api.patch(STUDY_URL, {"max_trials": 2})
    assert response.status_code == 400
    assert response.json()["errors"][0]["pointer"] == "/max_trials"


def test_existing_study_with_other_repeats_is_a_conflict(api: APIClient) -> None:
    create(api)
    definition = {"sampler": "random", "direction": "minimize"}
    assert post_study(api, **definition).status_code == 200
    assert post_study(api, **definition, repeats={"n": 3}).status_code == 200
    response = post_study(api, **definition, repeats={"n": 4})
    assert (response.status_code, response.json()["code"]) == (409, "study_conflict")


def test_request_with_too_many_repeats_is_refused(api: APIClient) -> None:
    create(api, repeats={"n": 100})
    response = api.post(TRIALS_URL, [{"params": {"x": 0.5}}] * 101)
    assert response.status_code == 400
    assert get_study(api)["n_trials"] == 0


def played(api: APIClient) -> JSON:
    """A study with a best point, one with a failed repeat, and an open one."""
    create(api)
    tell_group(api, 1, 2, 3)
    trials = suggest_batch(api, 3)
    trial_action(api, trials[0]["trial_id"], "fail")
    for trial in trials[1:]:
        complete(api, "search", trial["trial_id"], 7)
    complete(api, "search", start_trial(api), -99)
    return best(api)


def test_file_keeps_groups_and_aggregates(api: APIClient) -> None:
    before = played(api)
    file, trials = export_study(api), listed(api)
    delete_study(api)
    import_file(api, file)
    study_id = get_study(api)["study_id"]
    assert (best(api), listed(api)) == (before, [{**t, "study_id": study_id} for t in trials])
    assert export_study(api) == file
    assert suggest(api)["repeat"] == {**trials[7]["repeat"], "index": 1}
    assert_schemas_agree()


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        (b'"repeat_group":3,"repeat_index":1', b'"repeat_group":2,"repeat_index":1', "not the fi"),
        (b'"repeat_group":3,"repeat_index":1', b'"repeat_group":3,"repeat_index":3', "0 to 2"),
        (b'"repeat_group":3,"repeat_index":1', b'"repeat_group":3', "has both"),
        (b'"repeat_group":3,"repeat_index":1', b'"repeat_group":0,"repeat_index":1', "differ"),
        (b'"repeat_group":3,"repeat_index":1', b'"repeat_group":3,"repeat_index":2', "not failed"),
        (b'"repeats":{"n":3,"aggregate":"mean"}', b'"repeats":null', "has no repeats"),
    ],
)
def test_file_with_wrong_groups_is_refused(
    api: APIClient, old: bytes, new: bytes, fault: str
) -> None:
    played(api)
    file = export_study(api)
    delete_study(api)
    assert old in file
    answer = import_file(api, file.replace(old, new), status=400)
    assert fault in answer["detail"]


def test_trials_of_a_process_without_repeats_become_points_of_copies(api: APIClient) -> None:
    create(api)
    tell_group(api, 2, 2, 2)
    tell_group(api, 3, 3, 0)
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE trials_trial SET repeat_group = NULL, repeat_index = NULL, group_state = '' "
            "WHERE number >= 3"
        )
    clone_study(api, name="copy")
    found = api.get("/api/v1/studies/copy/best").json()
    assert (found["trial_id"], found["value"], found["repeats"]["trial_ids"]) == (5, 0, [5])
    file = export_study(api)
    delete_study(api)
    import_file(api, file)
    assert best(api) == found


def test_file_with_points_of_equal_hash_is_refused(api: APIClient) -> None:
    create(api, search_space=[{"type": "int", "name": "x", "low": -1, "high": -1}])
    tell_group(api, 1, 2, 3)
    file = export_study(api).replace(b'"low":-1', b'"low":-2')
    delete_study(api)
    head, first, second, rest = file.split(b"\n", 3)
    other = second.replace(b'"params":{"x":-1}', b'"params":{"x":-2}')  # hash(-1) == hash(-2)
    answer = import_file(api, b"\n".join([head, first, other, rest]), status=400)
    assert "differ" in answer["detail"]


def test_statements_of_a_clone_do_not_grow_with_its_points(api: APIClient) -> None:
    create(api)
    tell_group(api, 1, 2, 3)
    counts = []
    for name in ("first", "second"):
        with recorded_statements() as work:
            clone_study(api, name=name)
        counts.append(len(work))
        for _ in range(4):
            tell_group(api, 1, 2, 3)
    assert counts[0] == counts[1]


def test_clone_keeps_groups(api: APIClient) -> None:
    before = played(api)
    clone_study(api, name="copy")
    found = api.get("/api/v1/studies/copy/best").json()
    assert found == before
    wider = [{**X_SPACE[0], "high": 9.0}]
    clone_study(api, name="wider", search_space=wider)  # without the open point
    found = api.get("/api/v1/studies/wider/best").json()
    assert (found["value"], found["repeats"]["values"]) == (2, [1, 2, 3])
    clone_study(api, name="without", exclude=[0])
    found = api.get("/api/v1/studies/without/best").json()
    assert (found["trial_id"], found["value"]) == (0, 2.5)


def test_warm_start_takes_points_by_their_aggregates(api: APIClient) -> None:
    played(api)
    for value in (50, 50, -90, 90, 90):  # the open point and another one
        complete(api, "search", start_trial(api), value)
    warm_start = {"from": ["search"], "top": 1, "mode": "record"}
    create(api, name="next", repeats=None, warm_start=warm_start)
    found = api.get("/api/v1/studies/next/best").json()
    assert found["value"] == best(api)["value"] == (50 + 50 - 99) / 3
    create(api, name="again", warm_start={**warm_start, "mode": "queue"})
    trials = [suggest(api, "again")["params"] for _ in range(4)]
    assert trials[:3] == [found["params"]] * 3
    assert trials[3] != trials[0]

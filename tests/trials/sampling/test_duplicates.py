"""Studies without duplicates: every point of a finite space is suggested once."""

from collections import Counter
from typing import Any

import pytest
from rest_framework.test import APIClient

from tests.support import JSON, X_SPACE
from tests.support.api_client import (
    add_trials,
    assert_study_completed,
    assert_try_later,
    create_study,
    post_suggest,
    study_state,
    suggest,
    suggest_batch,
    trial_action,
)

URL = "/api/v1/studies/search"
GRID = [
    {"type": "int", "name": "n", "low": 2, "high": 6, "step": 2},
    {"type": "float", "name": "x", "low": 0.1, "high": 0.2, "step": 0.1},
    {"type": "categorical", "name": "c", "choices": ["a", True]},
    {"type": "float", "name": "one", "low": 0.5, "high": 0.5},
]
N_POINTS = 12
EXHAUSTIVE = ["brute_force", "grid"]
SAMPLERS = ["random", "tpe", "qmc", "nsgaii", *EXHAUSTIVE]
# One of each way to a point that is left: the sampler draws again, a number has but one point, and
# unvisited points are all that is drawn.
WAYS = ["tpe", "qmc", "brute_force"]
OPTIONS: dict[str, JSON] = {
    "random": {},
    "tpe": {"n_startup_trials": 5},
    "qmc": {},
    "nsgaii": {"population_size": 4},
    "brute_force": {},
    "grid": {"n_values": 10},
}

Point = tuple[Any, ...]


def create(api: APIClient, sampler: str = "random", **more: Any) -> None:
    options = OPTIONS[sampler] | more.pop("sampler_options", {})
    definition = {"search_space": GRID, "sampler": sampler, "sampler_options": options}
    study = create_study(api, **definition | {"duplicates": "avoid"} | more)
    assert study["duplicates"] == "avoid"


def end(api: APIClient, trial: JSON, call: str = "complete") -> JSON:
    body = {"values": trial["params"].get("n", 0)} if call == "complete" else {}
    return trial_action(api, trial["trial_id"], call, **body)


def point(trial: JSON) -> Point:
    """What tells a trial of the grid from others."""
    params = trial["params"]
    return params["n"], round(params["x"] * 10), params["c"]


def assert_used_up(api: APIClient) -> None:
    """All points are taken, and some of the trials run."""
    for response in (post_suggest(api), api.post(f"{URL}/trials/suggest-batch", {"count": 5})):
        assert_try_later(response, "budget_in_flight")
    assert study_state(api) == ("ACTIVE", None)


def assert_exhausted(api: APIClient) -> None:
    assert_study_completed(api, "space_exhausted")


def assert_all_points_once(trials: list[JSON]) -> None:
    assert len(trials) == N_POINTS
    assert Counter(map(point, trials)) == Counter(
        {(n, x, c): 1 for n in (2, 4, 6) for x in (1, 2) for c in ("a", True)}
    )


# Every point once ------------------------------------------------------------------------


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_each_point_is_suggested_once(api: APIClient, sampler: str) -> None:
    create(api, sampler)
    trials = []
    for _ in range(N_POINTS):
        assert study_state(api) == ("ACTIVE", None)
        trials.append(suggest(api))
        end(api, trials[-1])
    assert_all_points_once(trials)
    assert_exhausted(api)


@pytest.mark.parametrize("sampler", WAYS)
def test_running_points_are_not_suggested(api: APIClient, sampler: str) -> None:
    create(api, sampler)
    trials = [suggest(api) for _ in range(N_POINTS)]
    assert_all_points_once(trials)
    for number, trial in enumerate(trials):
        assert_used_up(api)
        end(api, trial, "prune" if number % 3 == 0 else "complete")
    assert_exhausted(api)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_batches_cover_the_whole_space(api: APIClient, sampler: str) -> None:
    create(api, sampler)
    trials = suggest_batch(api, 5)
    assert len(trials) == 5
    end(api, trials[0])
    trials += suggest_batch(api, 100)
    assert_all_points_once(trials)
    assert_used_up(api)
    for trial in trials[1:]:
        end(api, trial)
    assert_exhausted(api)


@pytest.mark.parametrize("sampler", WAYS)
def test_failed_trial_frees_its_point(api: APIClient, sampler: str) -> None:
    """`max_retries` of 1 allows one failure at a point."""
    create(api, sampler, max_retries=1)
    trials = [suggest(api) for _ in range(N_POINTS)]
    for trial in trials[:-1]:
        if trial["trial_id"] not in (3, 8):
            end(api, trial)
    assert_used_up(api)
    end(api, trials[8], "fail"), end(api, trials[3], "fail")
    again = [suggest(api), suggest(api)]
    assert {point(trial) for trial in again} == {point(trials[3]), point(trials[8])}
    assert_used_up(api)
    end(api, trials[-1], "fail")  # the last that was handed out at first
    again.append(suggest(api))
    assert point(again[-1]) == point(trials[-1])
    for trial in again:
        end(api, trial)
    assert_exhausted(api)


@pytest.mark.parametrize("sampler", WAYS)
@pytest.mark.parametrize("max_retries", [0, 2])
def test_point_that_fails_too_often_is_not_handed_out_again(
    api: APIClient, sampler: str, max_retries: int
) -> None:
    create(api, sampler, max_retries=max_retries)
    bad = {("a", 2), (True, 6)}
    asks = 0
    failures: Counter[Point] = Counter()
    while study_state(api)[0] == "ACTIVE":
        trial = suggest(api)
        asks += 1
        if (trial["params"]["c"], trial["params"]["n"]) in bad:
            failures[point(trial)] += 1
            end(api, trial, "fail")
        else:
            end(api, trial)
    assert_exhausted(api)
    assert set(failures.values()) == {max_retries + 1}
    assert len(failures) == 4
    assert asks == N_POINTS + 4 * max_retries


def test_retried_failures_count_at_their_point(api: APIClient) -> None:
    create(api, search_space=GRID[2:], max_retries=1)
    first = suggest(api)
    trial_action(api, 0, "fail", retry=True)
    retry = suggest(api)
    assert retry["params"] == first["params"]
    trial_action(api, 1, "fail", retry=True)
    other = suggest(api)
    assert other["params"] != first["params"]
    end(api, other)
    assert_exhausted(api)


@pytest.mark.django_db(transaction=True)  # else no session is kept from request to request
def test_changed_max_retries_counts(api: APIClient) -> None:
    create(api, search_space=GRID[2:])
    first, second = suggest_batch(api, 2)
    end(api, first, "fail")
    assert_try_later(post_suggest(api), "budget_in_flight")
    api.patch(URL, {"max_retries": 1})
    assert_try_later(post_suggest(api), "budget_in_flight")  # the session learns of the change
    again = suggest(api)
    assert again["params"] == first["params"]
    end(api, second), end(api, again, "fail")
    assert_exhausted(api)


def test_cancelled_trial_is_no_failure_at_its_point(api: APIClient) -> None:
    create(api, search_space=GRID[2:])
    add_trials(api, {"params": {"c": "a", "one": 0.5}})
    api.delete(f"{URL}/trials/0")
    assert {trial["params"]["c"] for trial in suggest_batch(api, 5)} == {"a", True}


def test_failed_last_trial_leaves_the_study_active(api: APIClient) -> None:
    create(api, max_retries=1)
    *trials, last = (suggest(api) for _ in range(N_POINTS))
    for trial in trials:
        end(api, trial)
    end(api, last, "fail")
    assert study_state(api) == ("ACTIVE", None)
    again = suggest(api)
    assert point(again) == point(last)
    end(api, again)
    assert_exhausted(api)


@pytest.mark.parametrize("sampler", WAYS)
def test_retry_keeps_its_point(api: APIClient, sampler: str) -> None:
    create(api, sampler, max_retries=1)
    trials = suggest_batch(api, N_POINTS)
    response = api.post(f"{URL}/trials/4/fail", {"retry": True})
    assert response.json()["retried_as"] == N_POINTS
    retry = suggest(api)
    assert (retry["trial_id"], point(retry)) == (N_POINTS, point(trials[4]))
    assert_used_up(api)
    for trial in (*trials[:4], *trials[5:], retry):
        end(api, trial)
    assert_exhausted(api)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_seeded_study_repeats_itself(api: APIClient, sampler: str) -> None:
    runs = []
    for _ in range(2):
        create(api, sampler, sampler_options={"seed": 11})
        trials = []
        for _ in range(N_POINTS):
            trials.append(suggest(api))
            end(api, trials[-1])
        assert_all_points_once(trials)
        assert_exhausted(api)
        assert api.delete(URL).status_code == 204
        runs.append([trial["params"] for trial in trials])
    assert runs[0] == runs[1]


def test_space_of_one_point_is_used_up_at_once(api: APIClient) -> None:
    create(api, search_space=GRID[3:])
    trial = suggest(api)
    assert trial["params"] == {"one": 0.5}
    assert_used_up(api)
    end(api, trial)
    assert_exhausted(api)


def test_budget_below_the_space_comes_first(api: APIClient) -> None:
    create(api, max_trials=3)
    for _ in range(3):
        end(api, suggest(api))
    assert study_state(api) == ("COMPLETED", "max_trials")


@pytest.mark.parametrize("max_trials", [N_POINTS, N_POINTS + 5])
def test_budget_beyond_the_space_is_not_reached(api: APIClient, max_trials: int) -> None:
    create(api, max_trials=max_trials)
    trials = suggest_batch(api, 100)
    assert_all_points_once(trials)
    assert_used_up(api)
    for trial in trials:
        end(api, trial)
    state, reason = study_state(api)
    assert (state, reason) == (
        "COMPLETED",
        "max_trials" if max_trials == N_POINTS else "space_exhausted",
    )


def test_exhausted_space_leaves_no_room_to_resume(api: APIClient) -> None:
    create(api)
    for trial in suggest_batch(api, N_POINTS):
        end(api, trial)
    response = api.post(f"{URL}/resume")
    assert (response.status_code, response.json()["reason"]) == (409, "space_exhausted")
    assert_exhausted(api)


@pytest.mark.parametrize("sampler", [each for each in SAMPLERS if each not in EXHAUSTIVE])
def test_continuous_space_is_not_used_up(api: APIClient, sampler: str) -> None:
    space = [*GRID, {"type": "float", "name": "y", "low": 0.0, "high": 1.0}]
    create(api, sampler, search_space=space)
    trials = suggest_batch(api, 30)
    for _ in range(5):
        trials.append(suggest(api))
        end(api, trials[-1])
    assert len({tuple(trial["params"].values()) for trial in trials}) == 35
    assert study_state(api) == ("ACTIVE", None)


def test_space_above_the_counted_size_is_not_used_up(api: APIClient) -> None:
    create(api, search_space=[{"type": "int", "name": "n", "low": 1, "high": 100_001}])
    for trial in suggest_batch(api, 50):
        end(api, trial)
    assert study_state(api) == ("ACTIVE", None)
    assert len({trial["params"]["n"] for trial in api.get(f"{URL}/trials").json()}) == 50


def test_duplicates_are_allowed_by_default(api: APIClient) -> None:
    body: JSON = {"name": "search", "search_space": GRID, "sampler": "random"}
    assert api.post("/api/v1/studies", body).json()["duplicates"] == "allow"
    trials = suggest_batch(api, N_POINTS + 1)
    assert len(trials) == N_POINTS + 1
    for trial in trials:
        end(api, trial)
    assert study_state(api) == ("ACTIVE", None)


@pytest.mark.parametrize("duplicates", ["never", "AVOID", "", True, 1, ["avoid"]])
def test_invalid_rule_is_refused(api: APIClient, duplicates: Any) -> None:
    body = {"name": "search", "search_space": GRID, "duplicates": duplicates}
    response = api.post("/api/v1/studies", body)
    assert response.status_code == 400
    assert [error["pointer"] for error in response.json()["errors"]] == ["/duplicates"]


def test_loading_compares_the_rule(api: APIClient) -> None:
    create(api)
    body: JSON = {"name": "search", "search_space": GRID}
    assert api.post("/api/v1/studies", body).status_code == 200
    assert api.post("/api/v1/studies", body | {"duplicates": "avoid"}).status_code == 200
    response = api.post("/api/v1/studies", body | {"duplicates": "allow"})
    assert (response.status_code, response.json()["code"]) == (409, "study_conflict")


# Queued and recorded points --------------------------------------------------------------


@pytest.mark.parametrize("sampler", WAYS)
def test_queued_points_count_as_visited(api: APIClient, sampler: str) -> None:
    create(api, sampler)
    params = {"n": 4, "x": 0.2, "c": True, "one": 0.5}
    add_trials(api, {"params": params, "priority": -1})
    trials = [suggest(api)]
    assert (trials[0]["trial_id"], trials[0]["params"]) == (0, params)
    add_trials(api, {"params": params | {"c": "a"}})
    trials += suggest_batch(api, 100)
    assert trials[1]["params"] == params | {"c": "a"}
    assert_all_points_once(trials)
    assert_used_up(api)


@pytest.mark.parametrize("sampler", WAYS)
def test_recorded_points_count_as_visited_unless_failed(api: APIClient, sampler: str) -> None:
    create(api, sampler, max_retries=1)
    params = {"n": 4, "x": 0.2, "c": "a", "one": 0.5}
    recorded = [
        add_trials(api, dict(params=params | {"n": n}, state=state, **more))
        for n, state, more in (
            (2, "COMPLETE", {"values": 1}),
            (4, "PRUNED", {}),
            (6, "FAIL", {}),
        )
    ]
    trials = recorded[:2] + suggest_batch(api, 100)
    assert_all_points_once(trials)
    for trial in trials[2:]:
        end(api, trial)
    assert_exhausted(api)


def test_recorded_points_may_use_the_space_up(api: APIClient) -> None:
    create(api, search_space=GRID[2:])
    new = [
        {"params": {"c": choice, "one": 0.5}, "state": "COMPLETE", "values": 1}
        for choice in ("a", True)
    ]
    assert api.post(f"{URL}/trials", new).status_code == 201
    assert_exhausted(api)


@pytest.mark.parametrize("sampler", WAYS)
def test_step_in_another_notation_is_the_same_point(api: APIClient, sampler: str) -> None:
    create(
        api,
        sampler,
        search_space=[{"type": "float", "name": "x", "low": 0, "high": 0.7, "step": 0.1}],
    )
    for x in (0.1 + 0.2, 0.6000000000000001):
        add_trials(api, {"params": {"x": x}, "state": "COMPLETE", "values": 1})
    trials = suggest_batch(api, 100)
    assert sorted(round(trial["params"]["x"] * 10) for trial in trials) == [0, 1, 2, 4, 5, 7]
    for trial in trials:
        end(api, trial)
    assert_exhausted(api)


def test_full_queued_point_is_served_as_often_as_queued(api: APIClient) -> None:
    create(api)
    params = {"n": 4, "x": 0.2, "c": "a", "one": 0.5}
    for _ in range(3):
        add_trials(api, {"params": params})
    trials = suggest_batch(api, 100)
    assert [trial["params"] for trial in trials[:3]] == [params] * 3
    assert_all_points_once(trials[2:])
    end(api, trials[0], "fail")  # the point is taken still
    assert_used_up(api)
    for trial in trials[1:]:
        end(api, trial)
    assert_exhausted(api)


@pytest.mark.parametrize("sampler", WAYS)
def test_partly_queued_trials_differ_in_the_rest(api: APIClient, sampler: str) -> None:
    create(api, sampler)
    for _ in range(4):
        add_trials(api, {"params": {"n": 4}})
    trials = [suggest(api) for _ in range(2)] + suggest_batch(api, 2)
    assert [trial["trial_id"] for trial in trials] == list(range(4))
    assert {trial["params"]["n"] for trial in trials} == {4}
    assert len({point(trial) for trial in trials}) == 4
    trials += suggest_batch(api, 100)
    assert_all_points_once(trials)
    assert_used_up(api)
    for trial in trials:
        end(api, trial)
    assert_exhausted(api)


def test_partly_queued_trial_is_served_when_its_points_are_used_up(api: APIClient) -> None:
    create(api)
    for _ in range(5):
        add_trials(api, {"params": {"n": 4}})
    trials = [suggest(api) for _ in range(5)]
    assert {trial["params"]["n"] for trial in trials} == {4}
    assert len({point(trial) for trial in trials}) == 4
    assert len(suggest_batch(api, 100)) == N_POINTS - 4
    assert_used_up(api)


def test_cancelled_queued_point_is_available_again(api: APIClient) -> None:
    create(api)
    params = {"n": 4, "x": 0.2, "c": "a", "one": 0.5}
    add_trials(api, {"params": params})
    assert api.delete(f"{URL}/trials/0").status_code == 200
    assert_all_points_once(suggest_batch(api, 100))


@pytest.mark.parametrize("scramble", [False, True])
def test_visited_quasi_random_point_is_not_suggested(api: APIClient, scramble: bool) -> None:
    """A number has but one point, instead of which another one is drawn."""
    options = {"seed": 3, "scramble": scramble}
    create(api, "qmc", search_space=X_SPACE, sampler_options=options, name="first")
    first = [suggest(api, "first")["params"] for _ in range(6)]
    create(api, "qmc", search_space=X_SPACE, sampler_options=options)
    add_trials(api, {"params": first[3], "state": "COMPLETE", "values": 1})
    again = [suggest(api)["params"] for _ in range(5)]
    assert again[:2] == first[1:3]
    assert again[3:] == first[4:]
    assert first[3] not in again

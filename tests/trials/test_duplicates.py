"""Studies that avoid duplicates: every point of a finite space is handed out once."""

from collections import Counter
from typing import Any

import pytest
from rest_framework.test import APIClient

from studies.models import NamedStudy
from trials.consistency import differences

JSON = dict[str, Any]
URL = "/api/v1/studies/search"
GRID = [
    {"type": "int", "name": "n", "low": 2, "high": 6, "step": 2},
    {"type": "float", "name": "x", "low": 0.1, "high": 0.3, "step": 0.1},
    {"type": "categorical", "name": "c", "choices": ["a", True]},
    {"type": "float", "name": "one", "low": 0.5, "high": 0.5},
]
N_POINTS = 18
SAMPLERS = ["random", "tpe", "qmc", "nsgaii"]
OPTIONS: dict[str, JSON] = {
    "random": {},
    "tpe": {"n_startup_trials": 5},
    "qmc": {},
    "nsgaii": {"population_size": 4},
}

Point = tuple[Any, ...]


def create(api: APIClient, sampler: str = "random", *, name: str = "search", **more: Any) -> None:
    options = OPTIONS[sampler] | more.pop("sampler_options", {})
    body = {"name": name, "search_space": GRID, "sampler": sampler, "sampler_options": options}
    response = api.post("/api/v1/studies", body | {"duplicates": "avoid"} | more)
    assert response.status_code == 201, response.content
    assert response.json()["duplicates"] == "avoid"


def ask(api: APIClient) -> Any:
    return api.post(f"{URL}/trials/suggest")


def start(api: APIClient) -> JSON:
    response = ask(api)
    assert response.status_code == 200, response.content
    return response.json()


def ask_many(api: APIClient, count: int) -> list[JSON]:
    response = api.post(f"{URL}/trials/suggest-batch", {"count": count})
    assert response.status_code == 200, response.content
    return response.json()["trials"]


def tell(api: APIClient, trial: JSON, outcome: str = "complete") -> JSON:
    body = {"values": trial["params"].get("n", 0)} if outcome == "complete" else {}
    response = api.post(f"{URL}/trials/{trial['trial_id']}/{outcome}", body)
    assert response.status_code == 200, response.content
    return response.json()


def add(api: APIClient, **new: Any) -> JSON:
    response = api.post(f"{URL}/trials", new)
    assert response.status_code == 201, response.content
    return response.json()


def point(trial: JSON) -> Point:
    """What tells a trial of the grid from others."""
    params = trial["params"]
    return params["n"], round(params["x"] * 10), params["c"]


def life(api: APIClient) -> tuple[str, str | None]:
    study = api.get(URL).json()
    return study["state"], study["state_reason"]


def assert_busy(api: APIClient) -> None:
    for response in (ask(api), api.post(f"{URL}/trials/suggest-batch", {"count": 5})):
        assert (response.status_code, response.json()["code"]) == (429, "budget_in_flight")
        assert response["Retry-After"] == "1"
    assert life(api) == ("ACTIVE", None)


def assert_exhausted(api: APIClient) -> None:
    assert life(api) == ("COMPLETED", "space_exhausted")
    response = ask(api)
    problem = response.json()
    assert (response.status_code, problem["code"]) == (409, "study_completed")
    assert problem["reason"] == "space_exhausted"
    assert list(differences(NamedStudy("search").one())) == []


def assert_all_points_once(trials: list[JSON]) -> None:
    assert len(trials) == N_POINTS
    assert Counter(map(point, trials)) == Counter(
        {(n, x, c): 1 for n in (2, 4, 6) for x in (1, 2, 3) for c in ("a", True)}
    )


# Every point once ------------------------------------------------------------------------


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_every_point_is_handed_out_once(api: APIClient, sampler: str) -> None:
    create(api, sampler)
    trials = []
    for _ in range(N_POINTS):
        assert life(api) == ("ACTIVE", None)
        trials.append(start(api))
        tell(api, trials[-1])
    assert_all_points_once(trials)
    assert_exhausted(api)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_points_that_run_are_not_handed_out(api: APIClient, sampler: str) -> None:
    create(api, sampler)
    trials = [start(api) for _ in range(N_POINTS)]
    assert_all_points_once(trials)
    for number, trial in enumerate(trials):
        assert_busy(api)
        tell(api, trial, "prune" if number % 3 == 0 else "complete")
    assert_exhausted(api)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_batches_go_over_the_whole_space(api: APIClient, sampler: str) -> None:
    create(api, sampler)
    trials = ask_many(api, 5)
    assert len(trials) == 5
    tell(api, trials[0])
    trials += ask_many(api, 100)
    assert_all_points_once(trials)
    assert_busy(api)
    for trial in trials[1:]:
        tell(api, trial)
    assert_exhausted(api)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_failed_trial_frees_its_point(api: APIClient, sampler: str) -> None:
    create(api, sampler)
    trials = [start(api) for _ in range(N_POINTS)]
    for trial in trials[:-1]:
        if trial["trial_id"] not in (3, 8):
            tell(api, trial)
    assert_busy(api)
    tell(api, trials[8], "fail"), tell(api, trials[3], "fail")
    again = [start(api), start(api)]
    assert {point(trial) for trial in again} == {point(trials[3]), point(trials[8])}
    assert_busy(api)
    tell(api, trials[-1], "fail")  # the last that was handed out at first
    again.append(start(api))
    assert point(again[-1]) == point(trials[-1])
    for trial in again:
        tell(api, trial)
    assert_exhausted(api)


def test_last_trial_that_fails_leaves_the_study_active(api: APIClient) -> None:
    create(api)
    *trials, last = (start(api) for _ in range(N_POINTS))
    for trial in trials:
        tell(api, trial)
    tell(api, last, "fail")
    assert life(api) == ("ACTIVE", None)
    again = start(api)
    assert point(again) == point(last)
    tell(api, again)
    assert_exhausted(api)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_retry_keeps_its_point(api: APIClient, sampler: str) -> None:
    create(api, sampler, max_retries=1)
    trials = ask_many(api, N_POINTS)
    response = api.post(f"{URL}/trials/4/fail", {"retry": True})
    assert response.json()["retried_as"] == N_POINTS
    retry = start(api)
    assert (retry["trial_id"], point(retry)) == (N_POINTS, point(trials[4]))
    assert_busy(api)
    for trial in (*trials[:4], *trials[5:], retry):
        tell(api, trial)
    assert_exhausted(api)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_seeded_study_repeats_itself(api: APIClient, sampler: str) -> None:
    runs = []
    for _ in range(2):
        create(api, sampler, sampler_options={"seed": 11})
        trials = []
        for _ in range(N_POINTS):
            trials.append(start(api))
            tell(api, trials[-1])
        assert_all_points_once(trials)
        assert_exhausted(api)
        assert api.delete(URL).status_code == 204
        runs.append([trial["params"] for trial in trials])
    assert runs[0] == runs[1]


def test_space_of_one_point(api: APIClient) -> None:
    create(api, search_space=GRID[3:])
    trial = start(api)
    assert trial["params"] == {"one": 0.5}
    assert_busy(api)
    tell(api, trial)
    assert_exhausted(api)


def test_budget_below_the_space_comes_first(api: APIClient) -> None:
    create(api, max_trials=3)
    for _ in range(3):
        tell(api, start(api))
    assert life(api) == ("COMPLETED", "max_trials")


@pytest.mark.parametrize("max_trials", [N_POINTS, N_POINTS + 5])
def test_budget_beyond_the_space_is_not_reached(api: APIClient, max_trials: int) -> None:
    create(api, max_trials=max_trials)
    trials = ask_many(api, 100)
    assert_all_points_once(trials)
    assert_busy(api)
    for trial in trials:
        tell(api, trial)
    state, reason = life(api)
    assert (state, reason) == (
        "COMPLETED",
        "max_trials" if max_trials == N_POINTS else "space_exhausted",
    )


def test_exhausted_space_leaves_no_room_to_resume(api: APIClient) -> None:
    create(api)
    for trial in ask_many(api, N_POINTS):
        tell(api, trial)
    response = api.post(f"{URL}/resume")
    assert (response.status_code, response.json()["reason"]) == (409, "space_exhausted")
    assert_exhausted(api)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_endless_space_is_not_used_up(api: APIClient, sampler: str) -> None:
    space = [*GRID, {"type": "float", "name": "y", "low": 0.0, "high": 1.0}]
    create(api, sampler, search_space=space)
    trials = ask_many(api, 30)
    for _ in range(5):
        trials.append(start(api))
        tell(api, trials[-1])
    assert len({tuple(trial["params"].values()) for trial in trials}) == 35
    assert life(api) == ("ACTIVE", None)


def test_space_of_more_points_than_are_counted_is_endless(api: APIClient) -> None:
    create(api, search_space=[{"type": "int", "name": "n", "low": 1, "high": 100_001}])
    for trial in ask_many(api, 50):
        tell(api, trial)
    assert life(api) == ("ACTIVE", None)
    assert len({trial["params"]["n"] for trial in api.get(f"{URL}/trials").json()}) == 50


def test_duplicates_are_allowed_unless_told(api: APIClient) -> None:
    body: JSON = {"name": "search", "search_space": GRID, "sampler": "random"}
    assert api.post("/api/v1/studies", body).json()["duplicates"] == "allow"
    trials = ask_many(api, N_POINTS + 1)
    assert len(trials) == N_POINTS + 1
    for trial in trials:
        tell(api, trial)
    assert life(api) == ("ACTIVE", None)


@pytest.mark.parametrize("duplicates", ["never", "AVOID", "", True, 1, ["avoid"]])
def test_nonsense_is_refused(api: APIClient, duplicates: Any) -> None:
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


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_queued_points_are_taken(api: APIClient, sampler: str) -> None:
    create(api, sampler)
    params = {"n": 4, "x": 0.2, "c": True, "one": 0.5}
    add(api, params=params, priority=-1)
    trials = [start(api)]
    assert (trials[0]["trial_id"], trials[0]["params"]) == (0, params)
    add(api, params=params | {"c": "a"})
    trials += ask_many(api, 100)
    assert trials[1]["params"] == params | {"c": "a"}
    assert_all_points_once(trials)
    assert_busy(api)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_recorded_points_are_taken_unless_they_failed(api: APIClient, sampler: str) -> None:
    create(api, sampler)
    params = {"n": 4, "x": 0.2, "c": "a", "one": 0.5}
    recorded = [
        add(api, params=params | {"n": n}, state=state, **more)
        for n, state, more in (
            (2, "COMPLETE", {"values": 1}),
            (4, "PRUNED", {}),
            (6, "FAIL", {}),
        )
    ]
    trials = recorded[:2] + ask_many(api, 100)
    assert_all_points_once(trials)
    for trial in trials[2:]:
        tell(api, trial)
    assert_exhausted(api)


def test_recorded_points_may_use_the_space_up(api: APIClient) -> None:
    create(api, search_space=GRID[2:])
    new = [
        {"params": {"c": choice, "one": 0.5}, "state": "COMPLETE", "values": 1}
        for choice in ("a", True)
    ]
    assert api.post(f"{URL}/trials", new).status_code == 201
    assert_exhausted(api)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_step_that_is_written_otherwise_is_the_same_point(api: APIClient, sampler: str) -> None:
    create(
        api,
        sampler,
        search_space=[{"type": "float", "name": "x", "low": 0, "high": 0.7, "step": 0.1}],
    )
    for x in (0.1 + 0.2, 0.6000000000000001):
        add(api, params={"x": x}, state="COMPLETE", values=1)
    trials = ask_many(api, 100)
    assert sorted(round(trial["params"]["x"] * 10) for trial in trials) == [0, 1, 2, 4, 5, 7]
    for trial in trials:
        tell(api, trial)
    assert_exhausted(api)


def test_whole_queued_point_is_handed_out_as_often_as_it_is_queued(api: APIClient) -> None:
    create(api)
    params = {"n": 4, "x": 0.2, "c": "a", "one": 0.5}
    for _ in range(3):
        add(api, params=params)
    trials = ask_many(api, 100)
    assert [trial["params"] for trial in trials[:3]] == [params] * 3
    assert_all_points_once(trials[2:])
    tell(api, trials[0], "fail")  # the point is taken still
    assert_busy(api)
    for trial in trials[1:]:
        tell(api, trial)
    assert_exhausted(api)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_partly_queued_trials_differ_in_the_rest(api: APIClient, sampler: str) -> None:
    create(api, sampler)
    for _ in range(6):
        add(api, params={"n": 4})
    trials = [start(api) for _ in range(3)] + ask_many(api, 3)
    assert [trial["trial_id"] for trial in trials] == list(range(6))
    assert {trial["params"]["n"] for trial in trials} == {4}
    assert len({point(trial) for trial in trials}) == 6
    trials += ask_many(api, 100)
    assert_all_points_once(trials)
    assert_busy(api)
    for trial in trials:
        tell(api, trial)
    assert_exhausted(api)


def test_partly_queued_trial_is_handed_out_though_nothing_is_left_of_it(api: APIClient) -> None:
    create(api)
    for _ in range(7):
        add(api, params={"n": 4})
    trials = [start(api) for _ in range(7)]
    assert {trial["params"]["n"] for trial in trials} == {4}
    assert len({point(trial) for trial in trials}) == 6
    assert len(ask_many(api, 100)) == N_POINTS - 6
    assert_busy(api)


def test_cancelled_queued_point_is_free_again(api: APIClient) -> None:
    create(api)
    params = {"n": 4, "x": 0.2, "c": "a", "one": 0.5}
    add(api, params=params)
    assert api.delete(f"{URL}/trials/0").status_code == 200
    assert_all_points_once(ask_many(api, 100))

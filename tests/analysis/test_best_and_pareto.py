"""The best trial and the Pareto front."""

import random
from typing import Any

import optuna
import pytest
from pytest_django import DjangoAssertNumQueries
from rest_framework.test import APIClient

from optuna_bridge.storage.storage import DjangoStorage

JSON = dict[str, Any]
URL = "/api/v1/studies/search"
SPACE = [
    {"type": "float", "name": "x", "low": 0.0, "high": 1.0},
    {"type": "int", "name": "n", "low": 1, "high": 9},
    {"type": "categorical", "name": "c", "choices": ["a", "b"]},
]


def create(api: APIClient, **more: Any) -> None:
    body: JSON = {"name": "search", "search_space": SPACE, "sampler": "random"}
    body |= {"sampler_options": {"seed": 3}}
    response = api.post("/api/v1/studies", body | more)
    assert response.status_code == 201, response.content


def run(api: APIClient, *outcomes: Any) -> list[JSON]:
    """Complete a trial with each of these values; answers their parameters."""
    params = []
    for outcome in outcomes:
        suggested = api.post(f"{URL}/trials/suggest").json()
        params.append(suggested["params"])
        values = outcome(suggested["params"]) if callable(outcome) else outcome
        told = api.post(f"{URL}/trials/{suggested['trial_id']}/complete", {"values": values})
        assert told.status_code == 200, told.content
    return params


def stock_study() -> optuna.Study:
    """The study as stock Optuna loads it from its schema."""
    return optuna.load_study(study_name="search", storage=DjangoStorage())


def assert_problem(response: Any, status: int, code: str) -> None:
    assert (response.status_code, response.json()["code"]) == (status, code)
    assert response["Content-Type"] == "application/problem+json"


# Best ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("direction", "values", "best"),
    [
        ("maximize", [1, 3, 2], 1),
        ("minimize", [2, 3, 1], 2),
        (["minimize"], [2, 3, 1], 2),
        ("maximize", [1, 3, 3, 3], 1),
        ("minimize", [5, 1, 1], 1),
        ("minimize", [0.0, -0.0], 0),
        ("maximize", [-1e308, -1.7e308], 0),
    ],
)
def test_best_is_the_first_of_the_best_values(
    api: APIClient, direction: Any, values: list[float], best: int
) -> None:
    create(api, direction=direction)
    params = run(api, *values)
    response = api.get(f"{URL}/best")
    assert response.status_code == 200
    assert response.json() == {"params": params[best], "value": values[best], "trial_id": best}
    assert stock_study().best_trial.number == best


def test_best_of_ties_is_the_lowest_number(api: APIClient) -> None:
    create(api)
    for _ in range(3):
        api.post(f"{URL}/trials/suggest")
    for number in (2, 1, 0):
        api.post(f"{URL}/trials/{number}/complete", {"values": 1})
        assert api.get(f"{URL}/best").json()["trial_id"] == number


def test_best_of_several_objectives_is_the_first_of_the_front(api: APIClient) -> None:
    create(api, direction=["minimize", "maximize"])
    params = run(api, [3, 3], [1, 5], [2, 9], [1, 5])
    best = {"params": params[1], "value": [1.0, 5.0], "trial_id": 1}
    assert api.get(f"{URL}/best").json() == best
    run(api, [0, 10])
    assert api.get(f"{URL}/best").json()["trial_id"] == 4


@pytest.mark.parametrize("direction", ["minimize", ["minimize", "minimize"]])
def test_best_is_not_found_before_a_trial_completed(api: APIClient, direction: Any) -> None:
    create(api, direction=direction)
    assert_problem(api.get(f"{URL}/best"), 404, "no_completed_trials")
    api.post(f"{URL}/trials/suggest")
    api.post(f"{URL}/trials/suggest")
    api.post(f"{URL}/trials/1/prune")
    assert_problem(api.get(f"{URL}/best"), 404, "no_completed_trials")


def test_best_takes_one_query(
    api: APIClient, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    create(api)
    run(api, 1, 2, 3)
    with django_assert_num_queries(1):
        assert api.get(f"{URL}/best").status_code == 200


# Pareto front ----------------------------------------------------------------------------


def test_pareto_front_is_by_number(api: APIClient) -> None:
    create(api, direction=["minimize", "maximize"])
    params = run(api, [3, 3], [1, 5], [2, 9], [1, 4], [1, 5])
    response = api.get(f"{URL}/pareto")
    assert response.status_code == 200
    assert response.json() == [
        {"trial_id": 1, "values": [1.0, 5.0], "params": params[1]},
        {"trial_id": 2, "values": [2.0, 9.0], "params": params[2]},
        {"trial_id": 4, "values": [1.0, 5.0], "params": params[4]},
    ]


@pytest.mark.parametrize("directions", [["minimize", "maximize"], ["maximize"] * 3])
def test_pareto_front_equals_optunas(api: APIClient, directions: list[str]) -> None:
    create(api, direction=directions)
    draw = random.Random(1)
    run(api, *([draw.randrange(6) for _ in directions] for _ in range(20)))
    front = [trial["trial_id"] for trial in api.get(f"{URL}/pareto").json()]
    assert front == sorted(trial.number for trial in stock_study().best_trials)
    assert api.get(f"{URL}/best").json()["trial_id"] == front[0]


def test_pareto_front_is_empty_before_a_trial_completed(api: APIClient) -> None:
    create(api, direction=["minimize", "minimize"])
    response = api.get(f"{URL}/pareto")
    assert (response.status_code, response.json()) == (200, [])


@pytest.mark.parametrize("direction", ["minimize", ["minimize"]])
def test_pareto_front_of_one_objective_is_refused(api: APIClient, direction: Any) -> None:
    create(api, direction=direction)
    run(api, 1)
    assert_problem(api.get(f"{URL}/pareto"), 400, "single_objective")

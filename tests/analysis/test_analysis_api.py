"""The best trial, the Pareto front and the importance of parameters."""

import random
from typing import Any

import optuna
import pytest
from optuna.importance import (
    FanovaImportanceEvaluator,
    MeanDecreaseImpurityImportanceEvaluator,
    PedAnovaImportanceEvaluator,
    get_param_importances,
)
from pytest_django import DjangoAssertNumQueries
from rest_framework.test import APIClient

from studies.optuna_storage.storage import DjangoStorage

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


def test_best_of_ties_is_the_lowest_number_whoever_told_first(api: APIClient) -> None:
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
def test_best_is_not_there_before_a_trial_completed(api: APIClient, direction: Any) -> None:
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
def test_pareto_front_is_optunas(api: APIClient, directions: list[str]) -> None:
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


# Importance ------------------------------------------------------------------------------


def mostly_x(params: JSON) -> float:
    return 10 * params["x"] ** 2 + 0.1 * params["n"] + (params["c"] == "a")


EVALUATORS = {
    "fanova": FanovaImportanceEvaluator(seed=0),
    "mean_decrease_impurity": MeanDecreaseImpurityImportanceEvaluator(seed=0),
}


def assert_shares(importances: dict[str, float]) -> None:
    assert importances.keys() == {"x", "n", "c"}
    assert sum(importances.values()) == pytest.approx(1)
    assert list(importances.values()) == sorted(importances.values(), reverse=True)


def test_importance_is_optunas_fanova(api: APIClient) -> None:
    create(api)
    run(api, *[mostly_x] * 20)
    response = api.get(f"{URL}/importance")
    found = response.json()
    assert (response.status_code, found["method"]) == (200, "fanova")
    assert_shares(found["importances"])
    assert next(iter(found["importances"])) == "x"
    stock = get_param_importances(stock_study(), evaluator=EVALUATORS["fanova"])
    assert found["importances"] == stock
    assert list(found["importances"]) == list(stock)
    assert api.get(f"{URL}/importance").json() == found
    assert api.get(f"{URL}/importance?target_idx=0").json() == found


@pytest.mark.parametrize("method", EVALUATORS)
def test_importance_is_computed_by_the_method_asked_for(api: APIClient, method: str) -> None:
    create(api)
    run(api, *[mostly_x] * 20)
    found = api.get(f"{URL}/importance?method={method}").json()
    assert found["method"] == method
    assert_shares(found["importances"])
    assert found["importances"] == get_param_importances(
        stock_study(), evaluator=EVALUATORS[method]
    )


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_importance_is_optunas_ped_anova(api: APIClient) -> None:
    create(api)
    run(api, *[mostly_x] * 20)
    found = api.get(f"{URL}/importance?method=ped_anova").json()
    assert found["method"] == "ped_anova"
    assert_shares(found["importances"])
    stock = get_param_importances(stock_study(), evaluator=PedAnovaImportanceEvaluator())
    assert found["importances"] == stock


def test_importance_looks_at_the_objective_asked_for(api: APIClient) -> None:
    create(api, direction=["minimize", "maximize"])
    run(api, *[lambda params: [params["x"], params["n"]]] * 20)
    study = stock_study()
    for index, name in enumerate(("x", "n")):
        found = api.get(f"{URL}/importance?target_idx={index}").json()
        assert next(iter(found["importances"])) == name
        assert found["importances"] == get_param_importances(
            study,
            evaluator=EVALUATORS["fanova"],
            target=lambda trial, index=index: trial.values[index],  # type: ignore[misc]
        )


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("index", [0, 1])
def test_importance_by_ped_anova_takes_several_objectives(api: APIClient, index: int) -> None:
    create(api, direction=["minimize", "maximize"])
    run(api, *[lambda params: [params["x"], params["n"]]] * 20)
    found = api.get(f"{URL}/importance?method=ped_anova&target_idx={index}").json()
    assert next(iter(found["importances"])) == ("x", "n")[index]
    assert sum(found["importances"].values()) == pytest.approx(1)


def test_importance_falls_back_where_all_values_are_equal(api: APIClient) -> None:
    create(api)
    run(api, *[1] * 5)
    response = api.get(f"{URL}/importance")
    assert (response.status_code, response.json()["method"]) == (200, "mean_decrease_impurity")
    assert_shares(response.json()["importances"])


def test_importance_does_not_fall_back_from_a_method_asked_for(api: APIClient) -> None:
    create(api)
    run(api, *[1] * 5)
    assert_problem(api.get(f"{URL}/importance?method=fanova"), 400, "importance_unavailable")


@pytest.mark.parametrize("completed", [0, 1])
@pytest.mark.parametrize("method", ["", "?method=mean_decrease_impurity"])
def test_importance_needs_two_trials(api: APIClient, completed: int, method: str) -> None:
    create(api)
    run(api, *[1] * completed)
    api.post(f"{URL}/trials/suggest")
    assert_problem(api.get(f"{URL}/importance{method}"), 400, "too_few_trials")


def test_importance_of_two_trials_sums_to_one(api: APIClient) -> None:
    create(api)
    run(api, 1, 2)
    assert_shares(api.get(f"{URL}/importance").json()["importances"])


@pytest.mark.parametrize(
    ("query", "direction"),
    [
        ("target_idx=1", "minimize"),
        ("target_idx=-1", "minimize"),
        ("target_idx=2", ["minimize", "minimize"]),
        (f"target_idx={10**14}", "minimize"),
        (f"target_idx={10**30}", "minimize"),
        ("target_idx=0.0", "minimize"),
        ("target_idx=", "minimize"),
        ("target_idx=0&target_idx=0", "minimize"),
        ("method=shapley", "minimize"),
        ("method=", "minimize"),
        ("seed=1", "minimize"),
    ],
)
def test_importance_refuses_nonsense(api: APIClient, query: str, direction: Any) -> None:
    create(api, direction=direction)
    run(api, *[[1] if direction == "minimize" else [1, 2]] * 2)
    assert_problem(api.get(f"{URL}/importance?{query}"), 400, "invalid")


CONSTANT = {"type": "float", "name": "x", "low": 1, "high": 1}
WIDE = [
    {"type": "float", "name": "wide", "low": -8e307, "high": 8e307},
    {"type": "float", "name": "log", "low": 5e-324, "high": 1.7e308, "log": True},
    {"type": "float", "name": "tiny", "low": 0.0, "high": 1e-300},
    {"type": "int", "name": "int", "low": -(2**53), "high": 2**53},
    {"type": "int", "name": "log int", "low": 1, "high": 2**53, "log": True},
]


@pytest.mark.parametrize("method", ["", "fanova", "mean_decrease_impurity", "ped_anova"])
@pytest.mark.parametrize(
    "values", [[1, 2, 3], [1.7e308, -1.7e308, 0], [5e-324, 0, 1e-320], [7] * 3]
)
@pytest.mark.parametrize("space", [WIDE, SPACE, [CONSTANT], [*SPACE[1:], CONSTANT]])
@pytest.mark.filterwarnings("ignore::RuntimeWarning", "ignore::UserWarning")
def test_importance_is_never_a_server_error(
    api: APIClient, space: list[JSON], values: list[float], method: str
) -> None:
    create(api, search_space=space)
    run(api, *values * 2)
    query = f"?method={method}" if method else ""
    response = api.get(f"{URL}/importance{query}")
    assert response.status_code in (200, 400), response.content
    if response.status_code == 200:
        assert sum(response.json()["importances"].values()) == pytest.approx(1)
    else:
        assert response.json()["code"] == "importance_unavailable"

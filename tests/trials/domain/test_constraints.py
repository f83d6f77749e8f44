"""Constraint values in results, and the best of the feasible trials."""

import random
from collections.abc import Iterator
from functools import partial
from typing import Any

import optuna
import pytest
from optuna.storages import RDBStorage
from rest_framework.test import APIClient

from optuna_bridge.storage.storage import DjangoStorage
from tests.support import JSON
from tests.support.api_client import (
    assert_schemas_agree,
    assert_text_refused,
    complete,
    create_study,
    get_study,
    invalid_pointers,
    list_trials,
    post_study,
    start_trial,
    stored_trial,
    suggest,
)
from tests.support.optuna_oracle import rdb_storage

URL = "/api/v1/studies/search"
SPACE = [
    {"type": "float", "name": "x", "low": 0.0, "high": 1.0},
    {"type": "int", "name": "n", "low": 1, "high": 9},
    {"type": "categorical", "name": "c", "choices": ["a", "b"]},
]
NAMES = ["latency", "größe / MB"]
FEASIBLE = {"latency": -0.2, "größe / MB": 0}

post = partial(post_study, search_space=SPACE, sampler="random", constraints=NAMES)
create = partial(create_study, search_space=SPACE, sampler="random", constraints=NAMES)


def post_complete(api: APIClient, trial_id: int, values: Any, **body: Any) -> Any:
    return api.post(f"{URL}/trials/{trial_id}/complete", {"values": values, **body})


def run(api: APIClient, values: Any, *violations: float) -> JSON:
    """Complete a new trial with these values, and these numbers for the constraints."""
    constraints = dict(zip(api.get(URL).json()["constraints"], violations, strict=True))
    return complete(api, "search", start_trial(api), values, constraints=constraints)


def stock_study() -> optuna.Study:
    """The study as stock Optuna loads it from its schema."""
    return optuna.load_study(study_name="search", storage=DjangoStorage())


# Declared --------------------------------------------------------------------------------


def test_study_declares_constraints(api: APIClient) -> None:
    study = create(api)
    assert study["constraints"] == NAMES
    assert api.get(URL).json() == study


def test_study_has_no_constraints_by_default(api: APIClient) -> None:
    assert create(api, constraints=None)["constraints"] == []


@pytest.mark.parametrize(
    ("constraints", "pointer"),
    [
        ("latency", "/constraints"),
        ({"latency": 0}, "/constraints"),
        (["a", "a"], "/constraints"),
        ([""], "/constraints/0"),
        (["a", 5], "/constraints/1"),
        ([None], "/constraints/0"),
        (["n" * 257], "/constraints/0"),
        ([f"c{i}" for i in range(101)], "/constraints"),
    ],
)
def test_invalid_constraint_names_are_refused(
    api: APIClient, constraints: Any, pointer: str
) -> None:
    assert invalid_pointers(post(api, constraints=constraints)) == [pointer]
    assert api.get("/api/v1/studies").json() == []


@pytest.mark.parametrize(
    ("constraints", "status"),
    [(None, 200), (NAMES, 200), (NAMES[::-1], 200), (NAMES[:1], 409), ([], 409)],
)
def test_loading_compares_the_names(api: APIClient, constraints: Any, status: int) -> None:
    create(api)
    response = post(api, constraints=constraints)
    assert response.status_code == status
    if status == 409:
        assert response.json()["code"] == "study_conflict"
        assert "constraints are" in response.json()["detail"]


# Told ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "constraints",
    [FEASIBLE, {"größe / MB": 1e300, "latency": -1}, {"latency": 0, "größe / MB": 0.0}],
)
def test_trial_has_its_constraints(api: APIClient, constraints: JSON) -> None:
    create(api)
    assert suggest(api)["trial_id"] == 0
    trial = post_complete(api, 0, 1, constraints=constraints).json()
    assert list(trial["constraints"]) == NAMES
    assert trial["constraints"] == {name: float(value) for name, value in constraints.items()}
    assert stored_trial(api) == trial
    assert_schemas_agree()


def test_unfinished_trial_has_no_constraints(api: APIClient) -> None:
    create(api)
    suggest(api), suggest(api)
    api.post(f"{URL}/trials/1/prune")
    assert [each["constraints"] for each in api.get(f"{URL}/trials").json()] == [None, None]


MISSING = "/constraints/größe ~1 MB"
REFUSED = [
    ({}, ["/constraints"]),
    ({"constraints": None}, ["/constraints"]),
    ({"constraints": {}}, ["/constraints/latency", MISSING]),
    ({"constraints": {"latency": 0}}, [MISSING]),
    ({"constraints": {**FEASIBLE, "other": 0}}, ["/constraints/other"]),
    ({"constraints": {"latency": 0, "Größe / MB": 0}}, ["/constraints/Größe ~1 MB", MISSING]),
    ({"constraints": {**FEASIBLE, "latency": None}}, ["/constraints/latency"]),
    ({"constraints": {**FEASIBLE, "latency": "0.5"}}, ["/constraints/latency"]),
    ({"constraints": {**FEASIBLE, "latency": True}}, ["/constraints/latency"]),
    ({"constraints": {**FEASIBLE, "größe / MB": [0]}}, [MISSING]),
    ({"constraints": [0, 0]}, ["/constraints"]),
    ({"constraints": "latency"}, ["/constraints"]),
]


@pytest.mark.parametrize(("body", "at"), REFUSED)
def test_complete_needs_a_number_for_each(api: APIClient, body: JSON, at: list[str]) -> None:
    create(api)
    suggest(api)
    before = api.get(f"{URL}/trials/0").json()
    assert invalid_pointers(post_complete(api, 0, 1, **body)) == at
    assert api.get(f"{URL}/trials/0").json() == before
    assert post_complete(api, 0, 1, constraints=FEASIBLE).status_code == 200


@pytest.mark.parametrize("literal", ["NaN", "Infinity", "-Infinity", "1e400"])
def test_complete_refuses_constraints_that_are_not_finite(api: APIClient, literal: str) -> None:
    create(api, constraints=["latency"])
    suggest(api)
    body = f'{{"values": 1, "constraints": {{"latency": {literal}}}}}'
    assert_text_refused(api, f"{URL}/trials/0/complete", body)
    assert api.get(f"{URL}/trials/0").json()["state"] == "RUNNING"


def test_complete_refuses_undeclared_constraints(api: APIClient) -> None:
    create(api, constraints=[])
    suggest(api)
    response = post_complete(api, 0, 1, constraints={"latency": 0})
    assert invalid_pointers(response) == ["/constraints/latency"]
    assert post_complete(api, 0, 1, constraints={}).status_code == 200


def test_batch_and_recorded_trials_need_constraints_too(api: APIClient) -> None:
    create(api)
    suggest(api), suggest(api)
    told = [
        {"trial_id": 0, "state": "COMPLETE", "values": 1, "constraints": FEASIBLE},
        {"trial_id": 1, "state": "COMPLETE", "values": 2},
    ]
    response = api.post(f"{URL}/trials/complete-batch", {"trials": told})
    one, other = response.json()["results"]
    assert (one["status"], one["trial"]["constraints"]) == (200, FEASIBLE)
    assert other["status"] == 400
    assert [each["pointer"] for each in other["error"]["errors"]] == ["/trials/1/constraints"]
    new: JSON = {"params": {"x": 0.5, "n": 1, "c": "a"}, "state": "COMPLETE", "values": 1}
    assert invalid_pointers(api.post(f"{URL}/trials", new)) == ["/constraints"]
    assert invalid_pointers(api.post(f"{URL}/trials", [new | {"constraints": {"latency": 0}}])) == [
        "/0/constraints/größe ~1 MB"
    ]
    recorded = api.post(f"{URL}/trials", new | {"constraints": FEASIBLE})
    assert (recorded.status_code, recorded.json()["constraints"]) == (201, FEASIBLE)
    assert_schemas_agree()


def test_complete_again_compares_constraints(api: APIClient) -> None:
    create(api)
    trial = run(api, 1, -0.2, 0)
    again = post_complete(api, 0, 1, constraints=FEASIBLE)
    assert (again.status_code, again.json()) == (200, trial)
    other = post_complete(api, 0, 1, constraints=FEASIBLE | {"latency": 0.1})
    assert (other.status_code, other.json()["code"]) == (409, "trial_finished")
    assert stored_trial(api) == trial


# The best --------------------------------------------------------------------------------


def test_best_is_among_the_feasible(api: APIClient) -> None:
    create(api, direction="minimize")
    outcomes = [(1, 0.1, -9), (5, -1, 0), (2, -1, 1e-9), (3, 0, 0), (3, -1, -1), (4, -9, -9)]
    list_trials = [run(api, *outcome) for outcome in outcomes]
    best = api.get(f"{URL}/best")
    assert (best.status_code, best.json()) == (
        200,
        {"params": list_trials[3]["params"], "value": 3.0, "trial_id": 3},
    )
    study = api.get(URL).json()
    assert (study["best_value"], study["best_params"]) == (3.0, list_trials[3]["params"])
    assert stock_study().best_trial.number == 3
    assert_schemas_agree()


@pytest.mark.parametrize(
    ("outcomes", "least"),
    [
        ([(1, 0.5, 0.5), (2, 0.75, 0)], 1),
        ([(1, 0.75, -99), (2, 0.5, 0.5)], 0),
        ([(1, 2, 0), (2, 0.5, 0.5), (3, 1, -1), (4, 0.25, 0.75)], 1),
    ],
)
def test_best_without_a_feasible_trial_names_the_least_violating(
    api: APIClient, outcomes: list[tuple[float, float, float]], least: int
) -> None:
    create(api)
    list_trials = [run(api, *outcome) for outcome in outcomes]
    response = api.get(f"{URL}/best")
    problem = response.json()
    assert (response.status_code, problem["code"]) == (404, "no_feasible_trial")
    assert problem["least_violating"] == {
        "trial_id": least,
        "params": list_trials[least]["params"],
        "value": list_trials[least]["values"][0],
        "constraints": list_trials[least]["constraints"],
    }
    study = api.get(URL).json()
    assert (study["best_value"], study["best_params"]) == (None, None)
    assert api.get("/api/v1/studies").json()[0]["best_value"] is None
    run(api, -9, 0, 0)
    assert api.get(f"{URL}/best").json()["value"] == -9.0


def test_best_without_a_completed_trial_names_none(api: APIClient) -> None:
    create(api)
    suggest(api), suggest(api)
    api.post(f"{URL}/trials/1/prune")
    response = api.get(f"{URL}/best")
    assert (response.status_code, response.json()["code"]) == (404, "no_completed_trials")


def test_pareto_front_without_a_feasible_trial_is_empty(api: APIClient) -> None:
    create(api, direction=["minimize", "maximize"])
    run(api, [1, 2], 0.5, 0)
    problem = api.get(f"{URL}/best").json()
    assert problem["code"] == "no_feasible_trial"
    assert problem["least_violating"]["value"] == [1.0, 2.0]
    pareto = api.get(f"{URL}/pareto")
    assert (pareto.status_code, pareto.json()) == (200, [])


@pytest.mark.parametrize("seed", range(2))
def test_pareto_front_equals_stock_optunas(api: APIClient, seed: int) -> None:
    create(api, direction=["minimize", "maximize"])
    rng = random.Random(seed)
    fronts = []
    for _ in range(30):
        values = [rng.randint(0, 6), rng.randint(0, 6)]
        run(api, values, rng.choice([-1, 0, 0.5]), rng.choice([-1, 0, 0, 2]))
        fronts.append([trial["trial_id"] for trial in api.get(f"{URL}/pareto").json()])
    stock = stock_study()
    assert fronts[-1] == [trial.number for trial in stock.best_trials]
    assert len({len(front) for front in fronts}) > 1
    best = api.get(f"{URL}/best").json()
    assert (best["trial_id"], best["value"]) == (
        fronts[-1][0],
        stock.trials[fronts[-1][0]].values,
    )
    assert_schemas_agree()


@pytest.mark.parametrize("direction", ["minimize", "maximize"])
def test_best_trial_equals_stock_optunas(api: APIClient, direction: str) -> None:
    create(api, direction=direction)
    rng = random.Random(7)
    for _ in range(25):
        run(api, rng.random(), rng.choice([-1, 0, 0.5]), rng.choice([-1, 0, 0, 2]))
    assert api.get(f"{URL}/best").json()["trial_id"] == stock_study().best_trial.number


# Optuna ----------------------------------------------------------------------------------


@pytest.fixture
def stock() -> Iterator[RDBStorage]:
    with rdb_storage("optuna") as storage:
        yield storage


@pytest.mark.django_db(transaction=True)
def test_stock_optuna_reads_the_constraints(api: APIClient, stock: RDBStorage) -> None:
    create(api)
    run(api, 1, -0.2, 0.5)
    suggest(api)
    run(api, 2, 1e300, -0.0)
    read = [
        trial.constraints
        for trial in optuna.load_study(study_name="search", storage=stock).get_trials()
    ]
    assert read == [
        {"latency": -0.2, "größe / MB": 0.5},
        {},
        {"latency": 1e300, "größe / MB": 0.0},
    ]


@pytest.mark.parametrize(
    ("sampler", "options", "n"),
    [
        ("random", {}, 8),
        ("qmc", {}, 8),
        ("tpe", {"n_startup_trials": 4}, 16),
        ("nsgaii", {"population_size": 4}, 24),
        ("gp", {"n_startup_trials": 3}, 6),
    ],
)
@pytest.mark.parametrize("direction", ["minimize", ["minimize", "maximize"]])
def test_sampler_runs_with_constraints(
    api: APIClient, sampler: str, options: JSON, n: int, direction: Any
) -> None:
    create(api, direction=direction, sampler=sampler, sampler_options=options | {"seed": 1})
    for _ in range(n):
        suggested = suggest(api)
        x = suggested["params"]["x"]
        constraints = {"latency": 0.2 - x, "größe / MB": suggested["params"]["n"] - 8}
        values = x if isinstance(direction, str) else [x, x * x]
        complete(api, "search", suggested["trial_id"], values, constraints=constraints)
    best = api.get(f"{URL}/best").json()
    assert best["params"]["x"] >= 0.2
    assert best["params"]["n"] <= 8
    assert_schemas_agree()


def test_tpe_prefers_feasible_points(api: APIClient) -> None:
    """Most suggestions are feasible, though the objective pulls the other way."""
    options = {"n_startup_trials": 10, "seed": 5}
    create(api, direction="minimize", sampler="tpe", sampler_options=options, constraints=["c"])
    drawn = []
    for _ in range(40):
        suggested = suggest(api)
        drawn.append(suggested["params"]["x"])
        constraints = {"c": 0.5 - suggested["params"]["x"]}
        post_complete(api, suggested["trial_id"], drawn[-1], constraints=constraints)
    assert sum(x >= 0.5 for x in drawn[20:]) > 12


def test_violation_may_overflow(api: APIClient) -> None:
    create(api, constraints=["a", "b"])
    start_trial(api), start_trial(api), start_trial(api)
    told = [{"a": 1e308, "b": 1e308}, {"a": -1, "b": 0}, {"a": 1e308, "b": 0}]
    response = api.post(
        f"{URL}/trials/complete-batch",
        {
            "trials": [
                {"trial_id": number, "state": "COMPLETE", "values": 1, "constraints": each}
                for number, each in enumerate(told)
            ]
        },
    )
    assert [each["status"] for each in response.json()["results"]] == [200] * 3
    assert [each["constraints"] for each in list_trials(api)] == told
    assert get_study(api)["best_value"] == 1
    assert_schemas_agree()

"""Finished trials that clients add, and samplers that learn from them."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import optuna
import pytest
from optuna.storages import RDBStorage
from optuna.trial import TrialState
from rest_framework.test import APIClient

from tests.support import JSON
from tests.support.api_client import add_trials, complete, create_study, list_trials, suggest
from tests.support.optuna_oracle import rdb_storage

pytestmark = pytest.mark.usefixtures("both_schemas_agree")

URL = "/api/v1/studies/search"
SPACE = [
    {"type": "float", "name": "x", "low": -5.0, "high": 5.0},
    {"type": "float", "name": "rate", "low": 1e-4, "high": 1.0, "log": True},
    {"type": "int", "name": "n", "low": 0, "high": 1000},
    {"type": "categorical", "name": "c", "choices": ["a", 1, 2.5, False]},
]
FULL: JSON = {"x": 0.25, "rate": 0.01, "n": 7, "c": False}

create = partial(
    create_study, search_space=SPACE, direction="minimize", sampler="random", pruner="none"
)


def known(n: int) -> list[JSON]:
    """Results of n points that are all different."""
    return [
        {
            "params": {"x": k / 4 - 3, "rate": 0.001 * (k + 1), "n": 11 * k, "c": ["a", 1][k % 2]},
            "state": "COMPLETE",
            "values": (k / 4 - 1) ** 2,
        }
        for k in range(n)
    ]


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        ({"state": "COMPLETE", "values": 0.5}, {"values": [0.5]}),
        (
            {"state": "COMPLETE", "values": [1], "intermediate_values": {"0": 3, "2": None}},
            {"values": [1.0], "intermediate_values": {"0": 3.0, "2": None}},
        ),
        ({"state": "COMPLETE", "values": 0, "reason": "by hand"}, {"reason": "by hand"}),
        (
            {"state": "PRUNED", "intermediate_values": {"9": 0.75, "1": 0.5}, "reason": "slow"},
            {"values": [0.75], "intermediate_values": {"1": 0.5, "9": 0.75}, "reason": "slow"},
        ),
        (
            {"state": "PRUNED", "intermediate_values": {"1": 0.5, "2": None}},
            {"values": None, "intermediate_values": {"1": 0.5, "2": None}},
        ),
        ({"state": "PRUNED"}, {"values": None}),
        (
            {"state": "FAIL", "reason": "diverged", "intermediate_values": {"0": None}},
            {"values": None, "reason": "diverged", "intermediate_values": {"0": None}},
        ),
        ({"state": "FAIL"}, {"values": None, "reason": None}),
    ],
)
def test_finished_trial_is_recorded(api: APIClient, outcome: JSON, expected: JSON) -> None:
    create(api)
    trial = add_trials(api, {"params": FULL, "user_attrs": {"origin": [1, 1.5, None]}, **outcome})
    assert (trial["trial_id"], trial["state"]) == (0, outcome["state"])
    assert repr(trial["params"]) == repr(FULL)
    assert trial["user_attrs"] == {"origin": [1, 1.5, None]}
    assert {key: trial[key] for key in expected} == expected
    assert trial["datetime_start"] == trial["datetime_complete"] is not None
    assert (trial["duration_seconds"], trial["attempt"], trial["priority"]) == (0, 1, 0)
    assert {trial[key] for key in ("worker_id", "lease_expires_at", "retry_of")} == {None}
    assert list_trials(api) == [trial]
    counts = api.get(URL).json()["trial_counts"]
    assert {state: n for state, n in counts.items() if n} == {outcome["state"]: 1}
    assert suggest(api)["trial_id"] == 1


def test_recorded_trial_may_be_completed_again_alike(api: APIClient) -> None:
    create(api)
    trial = add_trials(api, {"params": FULL, "state": "COMPLETE", "values": 1})
    complete(api, "search", 0, 1)
    response = api.post(f"{URL}/trials/0/complete", {"values": 2})
    assert (response.status_code, response.json()["code"]) == (409, "trial_finished")
    assert list_trials(api) == [trial]


def test_list_may_mix_finished_and_queued_trials(api: APIClient) -> None:
    create(api)
    added = add_trials(
        api,
        [
            {"params": {"n": 1}, "state": "WAITING"},
            {"params": FULL, "state": "COMPLETE", "values": 1},
            {"params": {}, "priority": 1},
            {"params": FULL, "state": "FAIL"},
            {"params": FULL, "state": "PRUNED", "intermediate_values": {"0": 2}},
        ],
    )
    states = ["WAITING", "COMPLETE", "WAITING", "FAIL", "PRUNED"]
    assert [(each["trial_id"], each["state"]) for each in added] == list(enumerate(states))
    assert list_trials(api) == added
    assert [suggest(api)["trial_id"] for _ in range(3)] == [2, 0, 5]


@pytest.mark.parametrize(("direction", "best"), [("minimize", 1), ("maximize", 3)])
def test_best_is_updated(api: APIClient, direction: str, best: int) -> None:
    create(api, direction=direction)
    suggest(api)
    values = [0.5, 1.0, 2.0, 0.5, 2.0]  # of trials 1 to 5
    add_trials(
        api,
        [
            {"params": FULL | {"n": number}, "state": "COMPLETE", "values": value}
            for number, value in enumerate(values, 1)
        ],
    )
    found = api.get(f"{URL}/best").json()
    assert (found["trial_id"], found["params"]["n"]) == (best, best)
    assert api.get(URL).json()["best_value"] == found["value"] == values[best - 1]
    complete(api, "search", 0, values[best - 1])
    assert api.get(f"{URL}/best").json()["trial_id"] == 0
    beyond = -1 if direction == "minimize" else 3
    add_trials(api, {"params": FULL, "state": "COMPLETE", "values": beyond})
    assert api.get(f"{URL}/best").json() == {"params": FULL, "value": beyond, "trial_id": 6}


def test_front_is_updated(api: APIClient) -> None:
    create(api, direction=["minimize", "maximize"])
    values = [[1, 1], [2, 3], [1, 1], [3, 3], [0, 0]]
    add_trials(api, [{"params": FULL, "state": "COMPLETE", "values": each} for each in values])
    front = api.get(f"{URL}/pareto").json()
    assert [each["trial_id"] for each in front] == [0, 1, 2, 4]
    add_trials(api, {"params": FULL, "state": "COMPLETE", "values": [-1, 4]})
    assert [each["trial_id"] for each in api.get(f"{URL}/pareto").json()] == [5]


def test_constraints_are_recorded(api: APIClient) -> None:
    create(api, constraints=["latency"])
    body = {"params": FULL, "state": "COMPLETE", "values": 1}
    response = api.post(f"{URL}/trials", [body, body | {"constraints": {"memory": 1}}])
    assert response.status_code == 400
    assert {each["pointer"] for each in response.json()["errors"]} == {
        "/0/constraints",
        "/1/constraints/memory",
        "/1/constraints/latency",
    }
    add_trials(api, body | {"constraints": {"latency": 0.5}})
    assert api.get(f"{URL}/best").json()["code"] == "no_feasible_trial"
    trial = add_trials(api, body | {"values": 2, "constraints": {"latency": 0}})
    assert trial["constraints"] == {"latency": 0.0}
    assert api.get(f"{URL}/best").json()["trial_id"] == 1


def test_recorded_trials_count_in_the_budgets(api: APIClient) -> None:
    create(api, max_trials=2, max_failures=3)
    failed = {"params": FULL, "state": "FAIL"}
    add_trials(api, [*known(1), failed, failed])
    response = api.post(f"{URL}/trials", known(2))
    assert (response.status_code, response.json()["code"]) == (409, "max_trials_exceeded")
    assert api.get(URL).json()["state"] == "ACTIVE"
    add_trials(api, known(1))
    study = api.get(URL).json()
    assert (study["state"], study["state_reason"]) == ("COMPLETED", "max_trials")


@pytest.mark.parametrize(
    ("budget", "body", "reason"),
    [
        ({"target_value": 0.5}, {"state": "COMPLETE", "values": 0.5}, "target_value"),
        ({"max_failures": 1}, {"state": "FAIL"}, "max_failures"),
    ],
)
def test_recorded_trial_may_end_the_study(
    api: APIClient, budget: JSON, body: JSON, reason: str
) -> None:
    create(api, **budget)
    add_trials(api, {"params": FULL, **body})
    study = api.get(URL).json()
    assert (study["state"], study["state_reason"]) == ("COMPLETED", reason)


# Samplers --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sampler", "options", "n"),
    [
        ("tpe", {"n_startup_trials": 10}, 6),
        ("nsgaii", {"population_size": 10}, 12),
        pytest.param("gp", {"n_startup_trials": 10}, 2, marks=pytest.mark.accept),
        ("random", {}, 6),
        ("qmc", {"scramble": True}, 6),
    ],
)
def test_sampler_learns_from_recorded_as_from_completed_trials(
    api: APIClient, sampler: str, options: JSON, n: int
) -> None:
    played: list[list[str]] = []
    results = known(12)
    for name in ("search", "one-by-one", "told"):
        create(api, name=name, sampler=sampler, sampler_options=options | {"seed": 7})
        if name == "search":
            add_trials(api, results, name)
        for number, result in enumerate(results if name != "search" else []):
            if name == "one-by-one":
                add_trials(api, result, name)
            else:
                add_trials(api, {"params": result["params"]}, name)
                assert suggest(api, name)["params"] == result["params"]
                complete(api, name, number, result["values"])
        played.append([])
        for number in range(len(results), len(results) + n):
            params = suggest(api, name)["params"]
            complete(api, name, number, params["x"] ** 2)
            played[-1].append(repr(params))
    is_generational = sampler == "nsgaii"  # a list is of one generation
    assert played[1] == played[2]
    assert played[0] == played[1] or is_generational


def inherited(children: list[JSON], parents: list[JSON]) -> float:
    """The share of the children's parameters that a parent has, but for rounding."""
    found = [
        any(
            type(value) is type(parent[name])
            and (value == parent[name] or value == pytest.approx(parent[name], rel=1e-9, abs=1e-9))
            for parent in parents
        )
        for child in children
        for name, value in child.items()
    ]
    return sum(found) / len(found)


@pytest.mark.parametrize("way", ["list", "one by one", "queued"])
@pytest.mark.parametrize("seed", [{}, {"seed": 1}])
@pytest.mark.parametrize("direction", ["minimize", ["minimize", "maximize"]])
def test_nsgaii_inherits_from_recorded_trials(
    api: APIClient, way: str, seed: JSON, direction: Any
) -> None:
    options = {"population_size": 10, "mutation_prob": 0, **seed}
    create(api, sampler="nsgaii", sampler_options=options, direction=direction)
    results = known(10)
    if direction != "minimize":
        results = [each | {"values": [each["values"], k]} for k, each in enumerate(results)]
    if way == "list":
        add_trials(api, results)
    for number, result in enumerate(results if way != "list" else []):
        if way == "one by one":
            add_trials(api, result)
        else:
            add_trials(api, {"params": result["params"]})
            suggest(api)
            complete(api, "search", number, result["values"])
    children = [suggest(api)["params"] for _ in range(8)]
    assert inherited(children, [each["params"] for each in results]) == 1


def test_nsgaii_without_recorded_trials_inherits_nothing(api: APIClient) -> None:
    create(api, sampler="nsgaii", sampler_options={"population_size": 10, "mutation_prob": 0})
    children = [{"x": suggest(api)["params"]["x"]} for _ in range(8)]
    assert inherited(children, [each["params"] for each in known(10)]) == 0


# What stock Optuna reads -----------------------------------------------------------------


@pytest.fixture
def stock(transactional_db: None) -> Iterator[RDBStorage]:
    with rdb_storage("optuna") as storage:
        yield storage


def test_stock_optuna_reads_recorded_trials(stock: RDBStorage, api: APIClient) -> None:
    create(api)
    add_trials(
        api,
        [
            {
                "params": FULL,
                "state": "COMPLETE",
                "values": 0.5,
                "intermediate_values": {"0": None, "1": 2},
                "user_attrs": {"a": [1, None]},
            },
            {"params": FULL, "state": "PRUNED", "intermediate_values": {"3": 0.25}},
            {"params": FULL, "state": "FAIL", "reason": "diverged"},
        ],
    )
    loaded = optuna.load_study(study_name="search", storage=stock)
    states = [TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL]
    assert [each.state for each in loaded.trials] == states
    assert [each.values for each in loaded.trials] == [[0.5], [0.25], None]
    assert [repr(each.params) for each in loaded.trials] == [repr(FULL)] * 3
    assert [each.system_attrs for each in loaded.trials] == [{}] * 3
    first = loaded.trials[0]
    assert repr(sorted(first.intermediate_values.items())) == "[(0, nan), (1, 2.0)]"
    assert first.user_attrs == {"a": [1, None]}
    assert first.datetime_start == first.datetime_complete is not None
    assert loaded.best_trial.number == 0

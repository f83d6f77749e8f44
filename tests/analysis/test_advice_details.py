"""What advice says, in which order, and to whom it says nothing."""

import pytest
from rest_framework.test import APIClient

from tests.actors import COMMAND
from tests.analysis.played import TWO, create, points, record
from tests.analysis.situations import Situation, advice, fail, in_turn, pinned, run
from tests.play import JSON, add, let_leases_run_out, prune, start, suggest
from tests.statements import recorded
from trials.demo import DEMOS, Demo, seed_demo


@pytest.mark.parametrize(
    ("definition", "situation", "words"),
    [
        (
            {"sampler": "nsgaii", "sampler_options": {"population_size": 4}},
            lambda api: run(api, 5),
            ["5 trials run at once", "Up to 4 "],
        ),
        (
            {"sampler": "tpe"},
            in_turn(lambda api: record(api, *range(11)), lambda api: run(api, 12)),
            ["12 trials run at once, while 11 have come out", "Up to 11 "],
        ),
        (
            {"direction": TWO},
            lambda api: record(api, *[[value, 7] for value in range(10)]),
            ["objective 1 was 7 in all 10"],
        ),
        (
            {},
            in_turn(lambda api: suggest(api, lease_seconds=60), lambda _: let_leases_run_out()),
            ["trials (0)"],
        ),
        ({}, lambda api: fail(api, 10), ["10 trials failed and none has completed."]),
        ({}, lambda api: pinned(api, 30, 10, bound=0.99), ['"x" is at its bound 1.0 in 100%']),
        ({}, lambda api: pinned(api, 30, 9, "rate", 1.1e-4), ['"rate" is at its bound 0.0001']),
        ({}, lambda api: pinned(api, 30, 9, "n", 9), ['"n" is at its bound 9 in 90%']),
        (
            {"sampler": "tpe", "max_trials": 1001},
            lambda api: None,
            ["max_trials is 1,001; the sampler tpe is for 100 to 1,000 trials."],
        ),
    ],
)
def test_advice_names_numbers(
    api: APIClient, definition: JSON, situation: Situation, words: list[str]
) -> None:
    create(api, **definition)
    situation(api)
    (found,) = advice(api)
    assert all(each in found["detail"] for each in words), found["detail"]


def test_bounds_of_categorical_and_narrow_parameters_are_no_advice(api: APIClient) -> None:
    space = [
        {"type": "categorical", "name": "c", "choices": [0, 1]},
        {"type": "int", "name": "n", "low": 1, "high": 4},
        {"type": "float", "name": "x", "low": 0.0, "high": 1.0, "step": 0.5},
        {"type": "float", "name": "only", "low": 1.0, "high": 1.0},
    ]
    create(api, search_space=space)
    at = {"c": 0, "n": 1, "x": 0.0, "only": 1.0}
    add(api, [{"params": at, "state": "COMPLETE", "values": value} for value in range(30)])
    assert advice(api) == []


def test_bounds_are_those_of_the_best_feasible_trials(api: APIClient) -> None:
    create(api, direction="maximize", constraints=["load"])
    trials = [
        {
            "params": at | {"x": 0.999 if 20 <= index < 30 else 0.5},
            "state": "COMPLETE",
            "values": index,
            "constraints": {"load": 1 if index >= 30 else 0},
        }
        for index, at in enumerate(points(40))
    ]
    add(api, trials)
    (found,) = advice(api)
    assert found["parameter"] == "x"
    assert "bound 1.0 in 100% of the best 10 trials" in found["detail"]


def test_most_urgent_advice_comes_first(api: APIClient) -> None:
    create(api, sampler="tpe", pruner="median", max_trials=50)
    record(api, *[1] * 12)
    fail(api, 6)
    run(api, 13)
    assert [each["code"] for each in advice(api)] == [
        "many_failures",
        "objective_is_constant",
        "too_many_running",
        "budget_outside_range",
    ]


def test_trials_whose_leases_ran_out_are_named(api: APIClient) -> None:
    create(api, lease_seconds=60)
    run(api, 2)
    let_leases_run_out()
    (found,) = advice(api)
    assert found["detail"].startswith("the leases of 2 running trials (0, 1) have run out")


@pytest.mark.parametrize("demo", DEMOS, ids=lambda demo: demo.definition.name)
def test_healthy_studies_get_none(api: APIClient, demo: Demo) -> None:
    seed_demo(demo, actor=COMMAND)
    assert advice(api, demo.definition.name) == []


@pytest.mark.parametrize("n", [1, 300])
def test_advice_takes_few_statements(api: APIClient, n: int) -> None:
    create(api, sampler="tpe", pruner="median")
    record(api, *range(n))
    prune(api, "search", start(api))
    start(api)
    with recorded() as statements:
        advice(api)
    assert len(statements) <= 6

"""The texts and the order of advice, and the studies without any."""

import pytest
from rest_framework.test import APIClient

from tests.support import JSON
from tests.support.api_client import STUDY_URL, add_trials, prune, start_trial, suggest
from tests.support.database import move_leases_into_past, recorded_statements
from tests.support.sample_studies import (
    TWO_DIRECTIONS,
    Situation,
    add_failed_trials,
    add_trials_at_bound,
    create_analysis_study,
    get_advice,
    in_sequence,
    random_points,
    record_trials,
    start_trials,
)
from tests.support.study_builders import COMMAND
from trials.demo import DEMOS, Demo, seed_demo


@pytest.mark.parametrize(
    ("definition", "situation", "words"),
    [
        (
            {"sampler": "nsgaii", "sampler_options": {"population_size": 4}},
            lambda api: start_trials(api, 5),
            ["5 trials run at once", "Up to 4 "],
        ),
        (
            {"sampler": "tpe"},
            in_sequence(
                lambda api: record_trials(api, *range(11)), lambda api: start_trials(api, 12)
            ),
            ["12 trials run at once, while 11 have come out", "Up to 11 "],
        ),
        (
            {"direction": TWO_DIRECTIONS},
            lambda api: record_trials(api, *[[value, 7] for value in range(10)]),
            ["objective 1 was 7 in all 10"],
        ),
        (
            {},
            in_sequence(
                lambda api: suggest(api, lease_seconds=60), lambda _: move_leases_into_past()
            ),
            ["trials (0)"],
        ),
        ({}, lambda api: add_failed_trials(api, 10), ["10 trials failed and none has completed."]),
        (
            {},
            lambda api: add_trials_at_bound(api, 30, 10, bound=0.99),
            ['"x" is at its bound 1.0 in 100%'],
        ),
        (
            {},
            lambda api: add_trials_at_bound(api, 30, 9, "rate", 1.1e-4),
            ['"rate" is at its bound 0.0001'],
        ),
        ({}, lambda api: add_trials_at_bound(api, 30, 9, "n", 9), ['"n" is at its bound 9 in 90%']),
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
    create_analysis_study(api, **definition)
    situation(api)
    (found,) = get_advice(api)
    assert all(each in found["detail"] for each in words), found["detail"]


def test_categorical_and_narrow_parameters_get_no_bound_advice(api: APIClient) -> None:
    space = [
        {"type": "categorical", "name": "c", "choices": [0, 1]},
        {"type": "int", "name": "n", "low": 1, "high": 4},
        {"type": "float", "name": "x", "low": 0.0, "high": 1.0, "step": 0.5},
        {"type": "float", "name": "only", "low": 1.0, "high": 1.0},
    ]
    create_analysis_study(api, search_space=space)
    at = {"c": 0, "n": 1, "x": 0.0, "only": 1.0}
    add_trials(api, [{"params": at, "state": "COMPLETE", "values": value} for value in range(30)])
    assert [each["code"] for each in get_advice(api)] == ["points_repeat"]


def test_bound_advice_uses_the_best_feasible_trials(api: APIClient) -> None:
    create_analysis_study(api, direction="maximize", constraints=["load"])
    trials = [
        {
            "params": at | {"x": 0.999 if 20 <= index < 30 else 0.5},
            "state": "COMPLETE",
            "values": index,
            "constraints": {"load": 1 if index >= 30 else 0},
        }
        for index, at in enumerate(random_points(40))
    ]
    add_trials(api, trials)
    (found,) = get_advice(api)
    assert found["parameter"] == "x"
    assert "bound 1.0 in 100% of the best 10 trials" in found["detail"]


def test_bound_advice_is_about_the_search_space_of_now(api: APIClient) -> None:
    space = [{"type": "float", "name": "x", "low": 0.0, "high": 1.0}]
    create_analysis_study(api, search_space=space, direction="minimize")
    add_trials(
        api,
        [
            {"params": {"x": 0.5 if value < 10 else 0.1}, "state": "COMPLETE", "values": value}
            for value in range(30)
        ],
    )
    assert "parameter_at_bound" not in [each["code"] for each in get_advice(api)]
    response = api.patch(STUDY_URL, {"search_space": [space[0] | {"high": 0.5}]})
    assert response.status_code == 200, response.content
    (found,) = [each for each in get_advice(api) if each["code"] == "parameter_at_bound"]
    assert "bound 0.5 in 100% of the best 10 trials" in found["detail"]


def test_most_urgent_advice_comes_first(api: APIClient) -> None:
    create_analysis_study(api, sampler="tpe", pruner="median", max_trials=50)
    record_trials(api, *[1] * 12)
    add_failed_trials(api, 6)
    start_trials(api, 13)
    assert [each["code"] for each in get_advice(api)] == [
        "many_failures",
        "objective_is_constant",
        "too_many_running",
        "budget_outside_range",
    ]


@pytest.mark.parametrize(
    ("pruner", "options", "last_step", "words"),
    [
        (
            "successive_halving",
            {"min_resource": 2, "reduction_factor": 3, "min_early_stopping_rate": 1},
            5,
            "the pruner successive_halving prunes from step 6 on (min_resource)",
        ),
        (
            "percentile",
            {"n_warmup_steps": 2, "patience": 5},
            5,
            "the pruner percentile prunes from step 6 on (patience)",
        ),
        ("threshold", {"lower": 0, "n_warmup_steps": 7}, 6, "from step 7 on (n_warmup_steps)"),
        ("patient", {"patience": 3}, 3, "the pruner patient prunes from step 4 on (patience)"),
    ],
)
def test_pruner_that_decides_after_the_last_step_is_named(
    api: APIClient, pruner: str, options: JSON, last_step: int, words: str
) -> None:
    create_analysis_study(api, pruner=pruner, pruner_options=options)
    record_trials(api, *range(10), intermediate_values={"0": 1, str(last_step): 1})
    (found,) = [each for each in get_advice(api) if each["code"] == "never_pruned"]
    assert words in found["detail"]
    record_trials(api, 11, intermediate_values={str(last_step + 1): 1})
    assert "never_pruned" not in [each["code"] for each in get_advice(api)]


def test_trials_with_expired_leases_are_named(api: APIClient) -> None:
    create_analysis_study(api, lease_seconds=60)
    start_trials(api, 2)
    move_leases_into_past()
    (found,) = get_advice(api)
    assert found["detail"].startswith("the leases of 2 running trials (0, 1) have run out")


HEALTHY = [demo for demo in DEMOS if demo.breaks_at is None]


@pytest.mark.parametrize("demo", HEALTHY, ids=lambda demo: demo.definition.name)
def test_healthy_study_gets_no_advice(api: APIClient, demo: Demo) -> None:
    seed_demo(demo, actor=COMMAND)
    assert get_advice(api, demo.definition.name) == []


@pytest.mark.parametrize("n", [1, 300])
def test_advice_takes_few_statements(api: APIClient, n: int) -> None:
    create_analysis_study(api, sampler="tpe", pruner="median")
    record_trials(api, *range(n))
    prune(api, "search", start_trial(api))
    start_trial(api)
    with recorded_statements() as statements:
        get_advice(api)
    assert len(statements) <= 6


def test_budgets_of_noisy_objectives_are_compared_by_points(api: APIClient) -> None:
    space = [{"type": "int", "name": "x", "low": 1, "high": 150}]
    create_analysis_study(api, sampler="tpe", search_space=space, repeats={"n": 2}, max_trials=199)
    assert [each["code"] for each in get_advice(api)] == ["budget_outside_range"]
    assert "for 200 to 2,000 trials" in get_advice(api)[0]["detail"]
    api.patch(STUDY_URL, {"max_trials": 300})
    assert get_advice(api) == []
    api.patch(STUDY_URL, {"max_trials": 301})
    (found,) = get_advice(api)
    assert "150 points with 2 repeats each" in found["detail"]

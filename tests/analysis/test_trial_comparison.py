"""A trial beside the completed ones: percentiles of its parameters, and how good it is."""

from typing import Any

import pytest
from rest_framework.test import APIClient

from analysis.trial_comparison import Comparison, compare
from tests.support.api_client import add_trials, create_study
from tests.support.database import recorded_statements
from tests.support.study_builders import add_finished_trials, build_study
from trials.models import Trial

SPACE = [
    {"type": "float", "name": "x", "low": 0.0, "high": 1.0},
    {"type": "ordinal", "name": "n", "values": [16, 32, 64]},
    {"type": "categorical", "name": "c", "choices": ["a", "b"]},
    {"type": "int", "name": "m", "low": 0, "high": 9, "when": {"c": ["b"]}},
]
POINTS = [
    {"x": 0.1, "n": 16, "c": "a"},
    {"x": 0.2, "n": 16, "c": "b", "m": 3},
    {"x": 0.2, "n": 64, "c": "b", "m": 5},
    {"x": 0.9, "n": 32, "c": "b", "m": 9},
]


def compared(number: int) -> Comparison:
    return compare(Trial.objects.select_related("study").get(number=number))


def shares(comparison: Comparison) -> dict[str, float | None]:
    return {each.name: each.share for each in comparison.parameters}


def add(api: APIClient, points: list[dict[str, Any]], **definition: Any) -> None:
    create_study(api, search_space=SPACE, sampler="random", **definition)
    results = [
        {"params": params, "state": "COMPLETE", "values": value}
        for value, params in enumerate(points)
    ]
    add_trials(api, results)


def test_percentile_is_the_share_with_a_lower_or_equal_value(api: APIClient) -> None:
    add(api, POINTS)
    assert shares(compared(0)) == {"x": 0.25, "n": 0.5, "c": 0.25}
    assert shares(compared(2)) == {"x": 0.75, "n": 1.0, "c": 0.75, "m": pytest.approx(2 / 3)}


def test_parameters_stand_beside_those_of_the_best(api: APIClient) -> None:
    add(api, POINTS, direction="minimize")
    found = {each.name: (each.value, each.has_best, each.best) for each in compared(3).parameters}
    assert found == {
        "x": (0.9, True, 0.1), "n": (32, True, 16), "c": ("b", True, "a"), "m": (9, False, None)
    }  # fmt: skip


@pytest.mark.parametrize(
    ("direction", "expected"),
    [("maximize", [0, 0.25, 0.5, 0.75]), ("minimize", [0.75, 0.5, 0.25, 0])],
)
def test_trial_is_better_than_those_with_worse_values(
    api: APIClient, direction: str, expected: list[float]
) -> None:
    add(api, POINTS, direction=direction)
    assert [compared(number).better_than for number in range(4)] == expected


def test_trial_is_compared_with_completed_ones_only(api: APIClient) -> None:
    add(api, POINTS[:1])
    add_trials(api, {"params": POINTS[3], "state": "FAIL"})
    found = compared(1)
    assert (found.n_compared, found.n_complete, found.better_than) == (1, 1, None)
    assert shares(found) == {"x": 1.0, "n": 1.0, "c": 0.0, "m": None}


def test_first_trial_is_compared_with_none(api: APIClient) -> None:
    create_study(api, search_space=SPACE, sampler="random")
    add_trials(api, {"params": {"x": 0.5}})
    found = compared(0)
    assert [(each.name, each.share) for each in found.parameters] == [("x", None)]
    assert found.n_compared == 0


def test_many_trials_are_sampled_in_one_statement(
    db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("analysis.trial_comparison.MAX_COMPARED", 50)
    study = build_study()
    add_finished_trials(study, 1000)  # the last tenth failed
    trial = Trial.objects.select_related("study").get(number=0)
    trial.study.best_params  # noqa: B018 - what is cached of the definition
    with recorded_statements() as statements:
        found = compare(trial)
    assert len(statements) == 1
    assert 30 < found.n_compared <= 50
    assert found.n_complete == 900

"""The optimisation history, and the hypervolume over time."""

import random
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from optuna import visualization
from optuna._hypervolume import compute_hypervolume
from optuna.trial import TrialState
from rest_framework.test import APIClient

from tests.support import JSON
from tests.support.api_client import (
    STUDY_URL,
    add_trials,
    assert_refused,
    invalid_pointers,
    start_trial,
    strict_json,
)
from tests.support.database import recorded_statements
from tests.support.optuna_oracle import load_optuna_study
from tests.support.sample_studies import (
    TWO_DIRECTIONS,
    create_analysis_study,
    play_analysis_study,
    record_trials,
)

pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")


def history(api: APIClient, **query: Any) -> JSON:
    return strict_json(api.get(f"{STUDY_URL}/history", query))


def hypervolume(api: APIClient, **query: Any) -> JSON:
    return strict_json(api.get(f"{STUDY_URL}/hypervolume", query))


# History ---------------------------------------------------------------------------------


def test_history_is_by_number(api: APIClient) -> None:
    create_analysis_study(api)
    start_trial(api)
    record_trials(api, 3, 5)
    start_trial(api)
    record_trials(api, 2, 2.5)
    assert history(api) == {
        "n_trials": 4,
        "n_complete": 4,
        "is_subsampled": False,
        "trials": [
            {"trial_id": 1, "value": 3.0, "best_value": 3.0},
            {"trial_id": 2, "value": 5.0, "best_value": 3.0},
            {"trial_id": 4, "value": 2.0, "best_value": 2.0},
            {"trial_id": 5, "value": 2.5, "best_value": 2.0},
        ],
    }


@pytest.mark.parametrize("constraints", [[], ["load", "weight"]])
@pytest.mark.parametrize("direction", ["minimize", "maximize", TWO_DIRECTIONS])
def test_history_has_the_best_of_the_feasible_trials(
    api: APIClient, direction: Any, constraints: list[str]
) -> None:
    play_analysis_study(api, direction=direction, constraints=constraints)
    completed = load_optuna_study().get_trials(states=[TrialState.COMPLETE])
    for index, each in enumerate([direction] if isinstance(direction, str) else direction):
        pick = {"minimize": min, "maximize": max}[each]
        best: float | None = None
        expected = []
        for trial in completed:
            value = trial.values[index]
            if all(violation <= 0 for violation in trial.constraints.values()):
                best = value if best is None else pick(best, value)
            expected.append({"trial_id": trial.number, "value": value, "best_value": best})
        assert history(api, target_idx=index)["trials"] == expected
    if constraints:
        assert expected[0]["best_value"] is None


def test_history_before_a_trial_completed_is_empty(api: APIClient) -> None:
    create_analysis_study(api)
    start_trial(api)
    nothing = {"n_trials": 0, "n_complete": 0, "is_subsampled": False, "trials": []}
    assert history(api) == nothing


@pytest.mark.parametrize("limit", [2, 3, 10, 39, 40, 3000])
def test_history_of_many_trials_keeps_to_the_limit(api: APIClient, limit: int) -> None:
    create_analysis_study(api)
    values = [abs(number - 20) + number % 3 for number in range(40)]
    record_trials(api, *values)
    found = history(api, limit=limit)
    shown = found["trials"]
    assert found["n_trials"] == len(shown) <= limit
    assert (found["n_complete"], found["is_subsampled"]) == (40, limit < 40)
    assert shown[-1]["trial_id"] == 39
    for point in shown:
        number = point["trial_id"]
        assert point["value"] == values[number]
        assert point["best_value"] == min(values[: number + 1])
    assert found == history(api, limit=limit)


def test_history_of_many_trials_keeps_all_improvements(api: APIClient) -> None:
    create_analysis_study(api)
    values = [100 - number // 8 if number % 8 == 0 else 200 for number in range(80)]
    record_trials(api, *values)
    shown = {point["trial_id"] for point in history(api, limit=20)["trials"]}
    assert shown >= set(range(0, 80, 8))


@pytest.mark.parametrize(
    "query",
    [
        *("limit=1", "limit=0", "limit=3001", "limit=-5", "limit=x", "limit=1e3"),
        *("target_idx=1", "target_idx=-1", "target_idx=x", "method=fanova", "limit=5&limit=6"),
    ],
)
def test_history_refuses_invalid_queries(api: APIClient, query: str) -> None:
    create_analysis_study(api)
    assert_refused(api.get(f"{STUDY_URL}/history?{query}"), 400, "invalid")


@pytest.mark.parametrize("n", [1, 300])
def test_history_and_hypervolume_take_few_statements(api: APIClient, n: int) -> None:
    create_analysis_study(api, direction=TWO_DIRECTIONS)
    record_trials(api, *[[number, number] for number in range(n)])
    for path, most in (("history", 2), ("hypervolume", 3)):
        with recorded_statements() as statements:
            strict_json(api.get(f"{STUDY_URL}/{path}"))
        assert len(statements) == most


# Hypervolume -----------------------------------------------------------------------------


def feasible_losses(directions: Sequence[str]) -> Any:
    signs = [1 if direction == "minimize" else -1 for direction in directions]
    completed = load_optuna_study().get_trials(states=[TrialState.COMPLETE])
    feasible = [t for t in completed if all(each <= 0 for each in t.constraints.values())]
    return np.array([trial.values for trial in feasible]) * signs, np.array(signs)


@pytest.mark.parametrize("constraints", [[], ["load"]])
@pytest.mark.parametrize("directions", [TWO_DIRECTIONS, ["maximize"] * 3])
def test_hypervolume_equals_optunas(
    api: APIClient, directions: list[str], constraints: list[str]
) -> None:
    play_analysis_study(api, direction=directions, constraints=constraints)
    losses, signs = feasible_losses(directions)
    reference = losses.max(axis=0) * signs + signs * 0.5
    text = ",".join(map(repr, reference.tolist()))
    found = hypervolume(api, reference_point=text)
    assert found["reference_point"] == reference.tolist()
    whole = compute_hypervolume(losses, reference * signs)
    assert found["hypervolume"] == pytest.approx(whole)
    assert found["hypervolume"] == found["history"][-1]["hypervolume"] > 0
    (curve,) = visualization.plot_hypervolume_history(load_optuna_study(), reference.tolist()).data
    assert found["history"] == [
        {"trial_id": number, "hypervolume": value}
        for number, value in zip(curve.x, curve.y, strict=True)
    ]
    n = len(found["history"])
    assert (found["n_trials"], found["n_complete"], found["is_subsampled"]) == (n, n, False)


def test_reference_point_is_the_worst_of_each_objective(api: APIClient) -> None:
    create_analysis_study(api, direction=TWO_DIRECTIONS)
    add_trials(api, {"params": {}})
    record_trials(api, [1, 5], [3, 9], [2, 4])
    found = hypervolume(api)
    assert found["reference_point"] == [3.0, 4.0]
    assert found["history"] == [
        {"trial_id": 1, "hypervolume": 2.0},  # (3 - 1) × (5 - 4)
        {"trial_id": 2, "hypervolume": 2.0},
        {"trial_id": 3, "hypervolume": 2.0},
    ]
    assert hypervolume(api, reference_point="3,4") == found
    assert hypervolume(api, reference_point="3,4.0e0") == found


def test_reference_point_better_than_all_trials_gives_none(api: APIClient) -> None:
    create_analysis_study(api, direction=TWO_DIRECTIONS)
    record_trials(api, [1, 5], [3, 9])
    found = hypervolume(api, reference_point="0,10")
    assert (found["hypervolume"], {p["hypervolume"] for p in found["history"]}) == (0, {0})


def test_hypervolume_before_a_trial_completed_is_empty(api: APIClient) -> None:
    create_analysis_study(api, direction=TWO_DIRECTIONS)
    start_trial(api)
    nothing = {"n_trials": 0, "n_complete": 0, "is_subsampled": False, "history": []}
    assert hypervolume(api) == {**nothing, "hypervolume": 0.0, "reference_point": [0.0, 0.0]}


@pytest.mark.parametrize(("objectives", "most"), [(3, 400), (7, 20)])
def test_hypervolume_of_many_trials_is_subsampled(
    api: APIClient, objectives: int, most: int
) -> None:
    """With all of a small front among them, it is the whole one."""
    create_analysis_study(api, direction=["minimize"] * objectives)
    draw = random.Random(0)
    n = most + 30
    values = [[2.0 + draw.random() for _ in range(objectives)] for _ in range(n)]
    values[3], values[17] = [1.0] * objectives, [0.5, *[1.5] * (objectives - 1)]
    record_trials(api, *values)
    point = ",".join(["4"] * objectives)
    found = hypervolume(api, reference_point=point)
    assert (found["n_complete"], found["is_subsampled"]) == (n, True)
    assert most - 2 <= found["n_trials"] <= most
    front = np.array([values[17], values[3]])
    whole = compute_hypervolume(front, np.full(objectives, 4.0))
    assert found["hypervolume"] == pytest.approx(whole)


def test_hypervolume_of_one_objective_is_refused(api: APIClient) -> None:
    create_analysis_study(api)
    assert_refused(api.get(f"{STUDY_URL}/hypervolume"), 400, "single_objective")


@pytest.mark.parametrize(
    "point", ["", "1", "1,2,3", "1,", "nan,1", "inf,1", "1,-Infinity", "1,1e999", "a,b", "[1,2]"]
)
def test_reference_point_needs_a_number_for_each_objective(api: APIClient, point: str) -> None:
    create_analysis_study(api, direction=TWO_DIRECTIONS)
    response = api.get(f"{STUDY_URL}/hypervolume", {"reference_point": point})
    assert invalid_pointers(response) == ["/reference_point"]

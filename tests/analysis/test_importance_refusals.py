"""Refused requests for parameter importance, and answers that differ from the request."""

from typing import Any

import pytest
from rest_framework.test import APIClient

from tests.support import JSON
from tests.support.api_client import (
    STUDY_URL,
    add_trials,
    assert_refused,
    complete,
    start_trial,
    strict_json,
)
from tests.support.sample_studies import ANALYSIS_SPACE, create_analysis_study, record_trials

METHODS = ["fanova", "mean_decrease_impurity", "ped_anova"]


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
        ("target=", "minimize"),
        ("target=best", "minimize"),
        ("seed=1", "minimize"),
    ],
)
def test_importance_refuses_invalid_queries(api: APIClient, query: str, direction: Any) -> None:
    create_analysis_study(api, direction=direction)
    record_trials(api, *[[1] if direction == "minimize" else [1, 2]] * 2)
    assert_refused(api.get(f"{STUDY_URL}/importance?{query}"), 400, "invalid")


CONSTANT = {"type": "float", "name": "x", "low": 1, "high": 1}
WIDE = [
    {"type": "float", "name": "wide", "low": -8e307, "high": 8e307},
    {"type": "float", "name": "log", "low": 5e-324, "high": 1.7e308, "log": True},
    {"type": "float", "name": "tiny", "low": 0.0, "high": 1e-300},
    {"type": "int", "name": "int", "low": -(2**53), "high": 2**53},
    {"type": "int", "name": "log int", "low": 1, "high": 2**53, "log": True},
]


@pytest.mark.parametrize(
    "method",
    ["", "fanova", *(pytest.param(each, marks=pytest.mark.accept) for each in METHODS[1:])],
)
@pytest.mark.parametrize(
    "values", [[1, 2, 3], [1.7e308, -1.7e308, 0], [5e-324, 0, 1e-320], [7] * 3]
)
@pytest.mark.parametrize(
    "space", [WIDE, ANALYSIS_SPACE, [CONSTANT], [*ANALYSIS_SPACE[1:], CONSTANT]]
)
@pytest.mark.filterwarnings("ignore::RuntimeWarning", "ignore::UserWarning")
def test_importance_is_never_a_server_error(
    api: APIClient, space: list[JSON], values: list[float], method: str
) -> None:
    create_analysis_study(api, search_space=space)
    for value in values * 2:
        complete(api, "search", start_trial(api), value)
    query = f"?method={method}" if method else ""
    response = api.get(f"{STUDY_URL}/importance{query}")
    assert response.status_code in (200, 400), response.content
    if response.status_code == 200:
        assert sum(response.json()["importances"].values()) == pytest.approx(1)
    else:
        assert response.json()["code"] == "importance_unavailable"


# What cannot be computed -----------------------------------------------------------------


def test_importance_falls_back_where_all_values_are_equal(api: APIClient) -> None:
    create_analysis_study(api)
    record_trials(api, *[1] * 5)
    answer = strict_json(api.get(f"{STUDY_URL}/importance"))
    assert answer["method"] == "mean_decrease_impurity"
    assert sum(answer["importances"].values()) == pytest.approx(1)


def test_importance_does_not_fall_back_from_a_requested_method(api: APIClient) -> None:
    create_analysis_study(api)
    record_trials(api, *[1] * 5)
    response = api.get(f"{STUDY_URL}/importance?method=fanova")
    assert_refused(response, 400, "importance_unavailable")


@pytest.mark.parametrize("completed", [0, 1])
@pytest.mark.parametrize("method", ["", "?method=mean_decrease_impurity"])
def test_importance_needs_two_trials(api: APIClient, completed: int, method: str) -> None:
    create_analysis_study(api)
    if completed:
        record_trials(api, 1)
    start_trial(api)
    assert_refused(api.get(f"{STUDY_URL}/importance{method}"), 400, "too_few_trials")


def test_importance_of_two_trials_sums_to_one(api: APIClient) -> None:
    create_analysis_study(api)
    record_trials(api, 1, 2)
    answer = strict_json(api.get(f"{STUDY_URL}/importance"))
    assert sum(answer["importances"].values()) == pytest.approx(1)


def test_fanova_refuses_a_parameter_of_many_choices(api: APIClient) -> None:
    """Its time doubles with each choice."""
    choices = [f"c{n}" for n in range(15)]
    create_analysis_study(
        api,
        search_space=[{"type": "categorical", "name": "c", "choices": choices}, ANALYSIS_SPACE[0]],
    )
    add_trials(
        api,
        [
            {"params": {"c": c, "x": 0.5}, "state": "COMPLETE", "values": n}
            for n, c in enumerate(choices)
        ],
    )
    response = api.get(f"{STUDY_URL}/importance", {"method": "fanova"})
    problem = assert_refused(response, 400, "importance_unavailable")
    assert "a parameter has 15 choices" in problem["detail"]
    assert api.get(f"{STUDY_URL}/importance").json()["method"] == "mean_decrease_impurity"

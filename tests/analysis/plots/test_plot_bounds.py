"""Plots of large studies: which trials are left out, and how the plot says so."""

import json
import re
from typing import Any

import pytest
from rest_framework.test import APIClient

from analysis.plots import catalogue
from tests.support.api_client import STUDY_URL, add_trials, strict_json
from tests.support.sample_studies import (
    ANALYSIS_SPACE,
    TWO_DIRECTIONS,
    create_analysis_study,
    play_analysis_study,
    record_trials,
)

pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")


def left_out(api: APIClient, kind: str, **query: Any) -> tuple[str, list[Any]]:
    figure = strict_json(api.get(f"{STUDY_URL}/plots/{kind}", query))
    return figure["layout"]["title"]["subtitle"]["text"], figure["data"]


@pytest.mark.parametrize(
    "values",
    [
        [abs(30 - number) for number in range(60)],
        [200 if number % 2 or number > 40 else 60 - number for number in range(60)],
        [(7 * number) % 60 for number in range(60)],
    ],
    ids=["valley", "more were better than there is room for", "noise"],
)
def test_history_of_many_trials_shows_the_exact_best_of_some(
    api: APIClient, monkeypatch: pytest.MonkeyPatch, values: list[float]
) -> None:
    monkeypatch.setattr(catalogue, "MAX_POINTS", 20)
    create_analysis_study(api)
    add_trials(api, {"params": {}})  # so that a trial's number is not its place
    record_trials(api, *values)
    text, (dots, best, _) = left_out(api, "history")
    shown = len(dots["x"])
    assert text == f"{shown} of 60 completed trials are shown"
    assert 10 <= shown <= 20  # one that is wanted and evenly spaced is taken once
    assert dots["x"][-1] == 60
    assert dots["y"] == [values[number - 1] for number in dots["x"]]
    assert best["x"] == dots["x"]
    assert best["y"] == [min(values[:number]) for number in best["x"]]


@pytest.mark.parametrize(
    ("bound", "most", "kinds"),
    [
        ("MAX_POINTS", 12, ["edf"]),
        ("MAX_CELLS", 48, ["slice", "parallel_coordinate", "rank", "contour"]),  # of 4 parameters
        ("MAX_HOVERED", 12, ["pareto_front"]),
        ("MAX_CURVES", 12, ["intermediate_values"]),
    ],
)
def test_plots_of_many_trials_say_how_many_are_shown(
    api: APIClient, monkeypatch: pytest.MonkeyPatch, bound: str, most: int, kinds: list[str]
) -> None:
    is_front = kinds == ["pareto_front"]
    create_analysis_study(api, direction=TWO_DIRECTIONS if is_front else "minimize")
    values: list[Any] = [[value, 0] if is_front else value for value in range(30)]
    record_trials(api, *values, intermediate_values={"1": 1})
    monkeypatch.setattr(catalogue, bound, most)
    what = "trials that reported" if bound == "MAX_CURVES" else "completed trials"
    for kind in kinds:
        text, _ = left_out(api, kind)
        (n,) = re.findall(rf"^(\d+) of 30 {what} are shown$", text)
        assert int(n) in (11, 12)  # a wanted one is taken once


def test_timeline_of_many_trials_says_how_many_are_shown(
    api: APIClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    play_analysis_study(api, n=40)
    monkeypatch.setattr(catalogue, "MAX_HOVERED", 12)
    text, bars = left_out(api, "timeline")
    assert text == "12 of 41 trials that have started are shown"
    assert sum(len(trace["x"]) for trace in bars) == 12


@pytest.mark.parametrize("n_params", [21, 45])
def test_plots_of_many_parameters_say_how_many_are_shown(api: APIClient, n_params: int) -> None:
    names = [f"p{index:02}" for index in range(n_params)]
    create_analysis_study(api, search_space=[{**ANALYSIS_SPACE[0], "name": name} for name in names])
    at = {name: index / n_params for index, name in enumerate(names)}
    add_trials(api, [{"params": at, "state": "COMPLETE", "values": value} for value in (1, 2)])
    for kind, shown in (("slice", 20), ("parallel_coordinate", 20), ("contour", 4), ("rank", 4)):
        for query in ({}, {"params": json.dumps(names[::-1])}):
            text, _ = left_out(api, kind, **query)
            assert (kind, text) == (kind, f"{shown} of {n_params} parameters are shown")
    text, (bars,) = left_out(api, "importance", method="mean_decrease_impurity")
    assert (text, len(bars["x"])) == (f"20 of {n_params} parameters are shown", 20)


@pytest.mark.parametrize("n", [10, 11, 19, 20, 100])
def test_curves_of_many_steps_are_subsampled(
    api: APIClient, monkeypatch: pytest.MonkeyPatch, n: int
) -> None:
    monkeypatch.setattr(catalogue, "MAX_STEPS", 10)
    create_analysis_study(api)
    steps = {str(2 * step + 1): step / 4 for step in range(n)}
    record_trials(api, 1, 2, intermediate_values=steps)
    _, curves = left_out(api, "intermediate_values")
    assert len(curves) == 2
    for curve in curves:
        assert len(curve["x"]) <= 10
        assert curve["x"] == sorted(set(curve["x"]))
        assert (curve["x"][0], curve["x"][-1]) == (1, 2 * n - 1)
        assert curve["y"] == [steps[str(step)] for step in curve["x"]]


@pytest.mark.parametrize("n", [10, 11])
def test_curves_say_that_steps_are_left_out(
    api: APIClient, monkeypatch: pytest.MonkeyPatch, n: int
) -> None:
    monkeypatch.setattr(catalogue, "MAX_STEPS", 10)
    create_analysis_study(api)
    record_trials(api, 1, 2, intermediate_values={str(step): 1 for step in range(n)})
    text, _ = left_out(api, "intermediate_values")
    assert text == ("at most 10 of a trial's steps" if n > 10 else "")


def record_wide(api: APIClient, n: int) -> None:
    """n trials of 30 parameters."""
    names = [f"p{index:02}" for index in range(30)]
    create_analysis_study(api, search_space=[{**ANALYSIS_SPACE[0], "name": name} for name in names])
    trials = [
        {
            "params": {name: (7 * number + k) % 10 / 9 for k, name in enumerate(names)},
            "state": "COMPLETE",
            "values": number % 10,
        }
        for number in range(n)
    ]
    add_trials(api, trials)


def test_importance_of_some_parameters_is_their_share_of_all(api: APIClient) -> None:
    record_wide(api, 30)
    query = {"method": "mean_decrease_impurity"}
    _, (bars,) = left_out(api, "importance", **query)
    found = strict_json(api.get(f"{STUDY_URL}/importance", query))["importances"]
    shown = dict(zip(bars["y"], bars["x"], strict=True))
    assert shown == pytest.approx({name: found[name] for name in shown})


def test_figures_of_many_parameters_stay_below_three_megabytes(api: APIClient) -> None:
    record_wide(api, 300)
    assert len(api.get(f"{STUDY_URL}/plots/rank").content) < 3_000_000

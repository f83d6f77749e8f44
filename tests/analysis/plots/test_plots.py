"""Plots are equal to those that stock Optuna draws from its own schema."""

import json
from collections.abc import Callable
from functools import partial
from typing import Any

import optuna
import pytest
from optuna import visualization
from optuna.importance import FanovaImportanceEvaluator
from optuna.trial import TrialState, create_trial
from rest_framework.test import APIClient

from analysis.plots.catalogue import KINDS
from tests.support import JSON
from tests.support.api_client import (
    STUDY_URL,
    assert_refused,
    prune,
    start_trial,
    strict_json,
    trial_action,
    unpacked_figure,
)
from tests.support.optuna_oracle import load_optuna_study
from tests.support.sample_studies import (
    ANALYSIS_SPACE,
    TWO_DIRECTIONS,
    create_analysis_study,
    play_analysis_study,
    record_objective,
    record_trials,
)

pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")

NAMES = [parameter["name"] for parameter in ANALYSIS_SPACE]
ONE_EACH: dict[str, Callable[..., Any]] = {
    "history": visualization.plot_optimization_history,
    "importance": partial(
        visualization.plot_param_importances, evaluator=FanovaImportanceEvaluator(seed=0)
    ),
    "parallel_coordinate": partial(visualization.plot_parallel_coordinate, params=NAMES),
    "slice": partial(visualization.plot_slice, params=NAMES),
    "contour": partial(visualization.plot_contour, params=NAMES),
    "rank": partial(visualization.plot_rank, params=NAMES),
    "edf": visualization.plot_edf,
}
BY_PARAMETER = ("parallel_coordinate", "slice", "contour", "rank")
OF_ALL: dict[str, Callable[..., Any]] = {
    "intermediate_values": visualization.plot_intermediate_values,
    "timeline": visualization.plot_timeline,
}
OF_SEVERAL: dict[str, Callable[..., Any]] = {
    "pareto_front": partial(
        visualization.plot_pareto_front, target_names=["Objective 0", "Objective 1"]
    ),
    "hypervolume": partial(visualization.plot_hypervolume_history, reference_point=[20, -1]),
}


def plot(api: APIClient, kind: str, **query: Any) -> JSON:
    """A figure, its arrays as lists."""
    return unpacked_figure(strict_json(api.get(f"{STUDY_URL}/plots/{kind}", query)))


def drawn(figure: Any) -> JSON:
    """One of stock Optuna's, in the same shape."""
    return unpacked_figure(json.loads(figure.to_json()))


def subtitle(figure: JSON) -> str:
    return figure["layout"]["title"]["subtitle"]["text"]


def axes(traces: list[JSON]) -> list[tuple[Any, ...]]:
    return [(trace["type"], trace.get("x"), trace.get("y")) for trace in traces]


def without_texts(traces: list[JSON]) -> list[JSON]:
    """Traces without the texts of points, which name the parameters that are drawn only."""
    return [{key: each[key] for key in each if key != "hovertext"} for each in traces]


def only_completed(study: optuna.Study, index: int) -> optuna.Study:
    """The study of one objective alone; trials that did not complete only take their numbers."""
    one = optuna.create_study(study_name=study.study_name, direction=study.directions[index])
    for trial in study.trials:
        if trial.state == TrialState.COMPLETE:
            trial.values = [trial.values[index]]
            one.add_trial(trial)
        else:
            one.add_trial(create_trial(state=TrialState.FAIL))
    return one


def at_completed(traces: list[JSON], study: optuna.Study) -> list[JSON]:
    """Curves without what stands at trials that have not completed."""
    completed = {trial.number for trial in study.trials if trial.state == TrialState.COMPLETE}
    for trace in traces:
        points = [p for p in zip(trace["x"], trace["y"], strict=True) if p[0] in completed]
        trace["x"], trace["y"] = [x for x, _ in points], [y for _, y in points]
    return traces


# As stock Optuna draws them --------------------------------------------------------------


@pytest.mark.parametrize(("direction", "constraints"), [("minimize", []), ("maximize", ["load"])])
def test_plots_of_one_objective_equal_optunas(
    api: APIClient, direction: str, constraints: list[str]
) -> None:
    play_analysis_study(api, direction=direction, constraints=constraints)
    study = load_optuna_study()
    for kind, stock in ONE_EACH.items():
        ours, theirs = plot(api, kind), drawn(stock(study, target_name="Objective"))
        if kind == "history":
            at_completed(theirs["data"], study)
        assert (kind, ours["data"]) == (kind, theirs["data"])
        assert subtitle(ours) == ""


@pytest.mark.parametrize(("index", "constraints"), [(0, []), (1, ["load"])])
def test_plots_of_two_objectives_equal_optunas_of_each(
    api: APIClient, index: int, constraints: list[str]
) -> None:
    play_analysis_study(api, direction=TWO_DIRECTIONS, constraints=constraints)
    study = load_optuna_study()
    alone = only_completed(study, index)
    for kind, stock in ONE_EACH.items():
        shown: JSON = {"params": ["rate", "c"]} if kind in BY_PARAMETER else {}
        query = {key: json.dumps(names) for key, names in shown.items()}
        ours = plot(api, kind, target_idx=index, **query)
        shown |= {"target_name": f"Objective {index}"}
        theirs = drawn(stock(alone, **shown))
        if kind == "history":
            at_completed(theirs["data"], study)
        assert (kind, without_texts(ours["data"])) == (kind, without_texts(theirs["data"]))
        target = stock(study, target=lambda trial: trial.values[index], **shown)
        targeted = axes(drawn(target)["data"])
        # Of a target stock Optuna does not know the best.
        if kind == "history":
            ours["data"], targeted = ours["data"][:1], targeted[:1]
        assert (kind, axes(ours["data"])) == (kind, targeted)


@pytest.mark.parametrize("constraints", [[], ["load"]])
@pytest.mark.parametrize("direction", ["maximize", TWO_DIRECTIONS])
def test_plots_of_steps_and_times_equal_optunas(
    api: APIClient, direction: Any, constraints: list[str]
) -> None:
    play_analysis_study(api, direction=direction, constraints=constraints)
    for kind, stock in OF_ALL.items():
        theirs = drawn(stock(load_optuna_study()))["data"]
        assert (kind, without_running(plot(api, kind)["data"])) == (kind, without_running(theirs))


def without_running(bars: list[JSON]) -> list[JSON]:
    """The bars of trials whose end does not depend on when they are drawn."""
    return [each for each in bars if each.get("name") not in ("RUNNING", "WAITING")]


@pytest.mark.parametrize("constraints", [[], ["load"]])
def test_plots_of_several_objectives_equal_optunas(api: APIClient, constraints: list[str]) -> None:
    play_analysis_study(api, direction=TWO_DIRECTIONS, constraints=constraints)
    for kind, stock in OF_SEVERAL.items():
        ours = plot(api, kind, reference_point="20,-1")
        assert (kind, ours["data"]) == (kind, drawn(stock(load_optuna_study()))["data"])


def test_front_of_three_objectives_is_drawn(api: APIClient) -> None:
    create_analysis_study(api, direction=["minimize"] * 3)
    record_objective(api, 12, objectives=3)
    names = ["Objective 0", "Objective 1", "Objective 2"]
    theirs = drawn(visualization.plot_pareto_front(load_optuna_study(), target_names=names))
    assert plot(api, "pareto_front")["data"] == theirs["data"]


def test_intermediate_values_of_pruned_and_running_trials_are_drawn(api: APIClient) -> None:
    create_analysis_study(api)
    for _ in range(2):
        trial_action(api, start_trial(api), "report", values={"1": 0.5, "2": None, "4": 2})
    prune(api, "search", 0)
    theirs = drawn(visualization.plot_intermediate_values(load_optuna_study()))
    assert plot(api, "intermediate_values")["data"] == theirs["data"]


@pytest.mark.parametrize("names", [["c", "x"], ["n", "rate", "x"]])
def test_plots_show_the_requested_parameters(api: APIClient, names: list[str]) -> None:
    play_analysis_study(api)
    for kind in BY_PARAMETER:
        stock = getattr(visualization, f"plot_{kind}")
        theirs = drawn(stock(load_optuna_study(), params=names, target_name="Objective"))
        ours = plot(api, kind, params=json.dumps(names))
        assert (kind, without_texts(ours["data"])) == (kind, without_texts(theirs["data"]))


def test_importance_is_drawn_by_the_method_and_for_the_front(api: APIClient) -> None:
    create_analysis_study(api, direction=TWO_DIRECTIONS)
    record_objective(api, 30, objectives=2)
    for query in ({"method": "mean_decrease_impurity"}, {"target": "front"}, {"target_idx": 1}):
        figure = plot(api, "importance", **query)
        found = strict_json(api.get(f"{STUDY_URL}/importance", query))
        (bars,) = figure["data"]
        shown = dict(zip(bars["y"], bars["x"], strict=True))
        assert shown == pytest.approx(found["importances"])
        text = f"Hyperparameter Importances by {found['method']}"
        assert figure["layout"]["title"]["text"] == text


# Nothing to draw, and what is refused ----------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "direction", "reason"),
    [
        *((kind, "minimize", "no trial has completed yet") for kind in ONE_EACH),
        ("intermediate_values", "minimize", "no trial has reported yet"),
        ("timeline", "minimize", "no trial has started yet"),
        ("pareto_front", TWO_DIRECTIONS, "no trial has completed yet"),
    ],
)
def test_empty_plots_say_why(api: APIClient, kind: str, direction: Any, reason: str) -> None:
    create_analysis_study(api, direction=direction)
    if kind != "timeline":
        start_trial(api)
    figure = plot(api, kind)
    if kind == "importance":
        reason = "0 trials have completed; at least 2 are needed"
    assert (figure["data"], subtitle(figure)) == ([], reason)


def test_importance_that_cannot_be_computed_is_an_empty_plot(api: APIClient) -> None:
    create_analysis_study(api)
    record_trials(api, *[1] * 5)
    figure = plot(api, "importance", method="fanova")
    assert figure["data"] == []
    assert subtitle(figure).startswith("fanova cannot be computed: ")


def test_contour_of_one_parameter_is_empty_with_a_reason(api: APIClient) -> None:
    play_analysis_study(api)
    figure = plot(api, "contour", params='["x"]')
    assert (figure["data"], subtitle(figure)) == ([], "a contour needs at least two parameters")


@pytest.mark.parametrize("kind", ["nothing", "History", "history.json", "%20"])
def test_unknown_plot_kind_is_not_found(api: APIClient, kind: str) -> None:
    create_analysis_study(api)
    assert_refused(api.get(f"{STUDY_URL}/plots/{kind}"), 404, "not_found")


def test_plots_of_an_unknown_study_are_not_found(api: APIClient) -> None:
    for kind in KINDS:
        response = api.get(f"/api/v1/studies/nobody/plots/{kind}")
        assert_refused(response, 404, "study_not_found")

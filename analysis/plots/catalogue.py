"""Optuna's plots of a study, thinned to what can be looked at."""

import logging
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from optuna import importance, visualization  # lazy modules: Plotly comes with the first plot

from analysis import samples
from analysis.completed_trials import CompletedTrials, check_objective
from analysis.errors import (
    ImportanceUnavailable,
    NoSuchParameter,
    PlotUnavailable,
    SingleObjective,
    TooFewTrials,
)
from analysis.hypervolume import hypervolume_of
from analysis.importance import importance_of
from analysis.plots.drawing import Asked, Drawing, nothing, said, title
from analysis.samples import Sample
from optuna_bridge.enums import TrialState
from studies.models import Study

if TYPE_CHECKING:
    import optuna
    import plotly.graph_objects as go

_logger = logging.getLogger(__name__)

# So many trials are drawn at most, that a figure stays below 3 MB and a laptop draws it at once.
MAX_POINTS = 3000
MAX_HOVERED = 1000  # where each has a text of its parameters
MAX_CELLS = 30_000  # where each has a point for each parameter
MAX_LINES = 1000
MAX_RANKED = 300  # where each has a point for each pair of parameters
MAX_CONTOURED = 100  # where each pair of parameters has a grid of all trials' values
MAX_CURVES = 100
MAX_STEPS = 200  # of a curve
# And so many parameters, unless others are asked for.
MAX_PARAMETERS = 20
MAX_PAIRED = 4
NOTHING_COMPLETED = "no trial has completed yet"


def draw(*, kind: str, asked: Asked) -> "go.Figure":
    """The plot of this kind; what it leaves out, or why it is empty, is said below its title.

    Raises:
        NoSuchObjective, NoSuchParameter
        SingleObjective: the kind is for several objectives.
        PlotUnavailable: of so many objectives there is none.
    """
    check_objective(asked.study, asked.target_idx)
    for name in asked.params or ():
        if name not in asked.study.space.distributions:
            raise NoSuchParameter(f'the study has no parameter "{name}"')
    try:
        drawing = KINDS[kind](asked)
    except (ValueError, ArithmeticError) as error:  # values too far apart for a scale, say
        _logger.warning("no plot %s of study %s", kind, asked.study.name, exc_info=True)
        drawing = nothing(kind.replace("_", " ").capitalize(), f"it cannot be drawn: {error}")
    subtitle = "; ".join(drawing.left_out)
    drawing.figure.update_layout(title={"subtitle": {"text": subtitle}})
    return drawing.figure


def _history(asked: Asked) -> Drawing:
    outline = CompletedTrials.of(asked.study)
    wanted = outline.is_better(asked.target_idx)
    sample = samples.of_objective(outline, asked.target_idx, most=MAX_POINTS, wanted=wanted)
    # Optuna takes a trial's number for its position among all, which it is not here.
    numbers = [trial.number for trial in sample.trials]
    for position, trial in enumerate(sample.trials):
        trial.number = position
    drawing = _drawn(asked, sample, "plot_optimization_history")
    best = outline.best_so_far(asked.target_idx)[np.searchsorted(outline.numbers, numbers)]
    for curve in drawing.figure.data:
        curve.x = [numbers[position] for position in curve.x]
        if curve.name == "Best Value":  # of the sample, which lacks some that were the best
            curve.y = best.tolist()
    return drawing


def _edf(asked: Asked) -> Drawing:
    outline = CompletedTrials.of(asked.study)
    sample = samples.of_objective(outline, asked.target_idx, most=MAX_POINTS)
    return _drawn(asked, sample, "plot_edf")


def _answering(importances: Mapping[str, float]) -> "importance.BaseImportanceEvaluator":
    """An evaluator that gives what was found before."""

    class Found(importance.BaseImportanceEvaluator):
        def evaluate(
            self, study: "optuna.Study", params: list[str] | None = None, *, target: Any = None
        ) -> dict[str, float]:
            return dict(importances)

    return Found()


def _importance(asked: Asked) -> Drawing:
    try:
        found = importance_of(
            study=asked.study, target_idx=asked.target_idx, target=asked.target, method=asked.method
        )
    except (TooFewTrials, ImportanceUnavailable) as error:
        return nothing("Hyperparameter Importances", error.detail)
    figure = visualization.plot_param_importances(
        samples.of_two(asked.study).optuna_study,
        evaluator=_answering(found.importances),
        target_name=asked.objective_name,
    )
    figure.update_layout(title={"text": f"Hyperparameter Importances by {found.method}"})
    (bars,) = figure.data
    for each in ("x", "y", "text", "hovertemplate"):  # the most important ones come last
        bars[each] = bars[each][-MAX_PARAMETERS:]
    left_out = [
        *said(found.n_trials, found.n_complete, "completed trials"),
        *said(len(bars.y), len(found.importances), "parameters"),
    ]
    return Drawing(figure, left_out)


def _by_parameter(
    plot: str, most: int, most_parameters: int = MAX_PARAMETERS
) -> Callable[[Asked], Drawing]:
    """Of a plot that has something for each parameter, or for each pair of them."""

    def drawing(asked: Asked) -> Drawing:
        names = list(asked.params or asked.study.space.distributions)
        shown = names[:most_parameters]
        if plot == "plot_contour" and len(shown) < 2:
            return nothing(title(plot), "a contour is of two parameters at least")
        outline = CompletedTrials.of(asked.study)
        sample = samples.of_objective(
            outline,
            asked.target_idx,
            most=min(most, MAX_CELLS // len(shown)),
            wanted=outline.is_better(asked.target_idx),
        )
        if sample.trials:
            found = {name for trial in sample.trials for name in trial.params}
            shown = [name for name in shown if name in found]
            if not shown:
                return nothing(title(plot), "no completed trial has these parameters")
        sample.keep_params(shown)  # the others would stand in the texts of the points
        drawn = _drawn(asked, sample, plot, params=shown)
        left_out = said(len(shown), len(names), "parameters")
        return Drawing(drawn.figure, [*drawn.left_out, *left_out])

    return drawing


def _intermediate_values(asked: Asked) -> Drawing:
    sample = samples.with_steps(asked.study, most=MAX_CURVES, most_steps=MAX_STEPS)
    if not sample.trials:
        return nothing("Intermediate Values Plot", "no trial has reported yet")
    figure = visualization.plot_intermediate_values(sample.optuna_study)
    left_out = said(len(sample), sample.n_all, "trials that reported")
    if sample.has_thinned_steps:
        left_out.append(f"at most {MAX_STEPS} of a trial's steps")
    return Drawing(figure, left_out)


def _timeline(asked: Asked) -> Drawing:
    ended = [TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL]
    sample = samples.of_states(asked.study, ended, most=_most_hovered(asked.study))
    if not sample.trials:
        return nothing("Timeline Plot", "no trial has ended yet")
    figure = visualization.plot_timeline(sample.optuna_study)
    return Drawing(figure, said(len(sample), sample.n_all, "trials that ended"))


def _pareto_front(asked: Asked) -> Drawing:
    _check_several(asked.study)
    names = [f"Objective {index}" for index in range(len(asked.study.directions))]
    if len(names) > 3:
        raise PlotUnavailable(f"a front is drawn of 2 or 3 objectives, and there are {len(names)}")
    outline = CompletedTrials.of(asked.study)
    sample = samples.of_completed(
        outline, most=_most_hovered(asked.study), wanted=outline.is_on_front
    )
    if not sample.trials:
        return nothing("Pareto-front Plot", NOTHING_COMPLETED)
    figure = visualization.plot_pareto_front(sample.optuna_study, target_names=names)
    return Drawing(figure, said(len(sample), sample.n_all, "completed trials"))


def _hypervolume(asked: Asked) -> Drawing:
    _check_several(asked.study)
    found = hypervolume_of(study=asked.study, reference_point=asked.reference_point)
    return Drawing(found.figure, said(found.n_trials, found.n_complete, "completed trials"))


# By kind, in the order in which they are worth looking at.
KINDS: Mapping[str, Callable[[Asked], Drawing]] = {
    "history": _history,
    "importance": _importance,
    "parallel_coordinate": _by_parameter("plot_parallel_coordinate", MAX_LINES),
    "slice": _by_parameter("plot_slice", MAX_POINTS),
    "intermediate_values": _intermediate_values,
    "pareto_front": _pareto_front,
    "hypervolume": _hypervolume,
    "contour": _by_parameter("plot_contour", MAX_CONTOURED, MAX_PAIRED),
    "rank": _by_parameter("plot_rank", MAX_RANKED, MAX_PAIRED),
    "edf": _edf,
    "timeline": _timeline,
}


def _drawn(asked: Asked, sample: Sample, plot: str, **arguments: Any) -> Drawing:
    """One of Optuna's plots, of completed trials."""
    if not sample.trials:
        return nothing(title(plot), NOTHING_COMPLETED)
    draw_plot = getattr(visualization, plot)
    figure = draw_plot(sample.optuna_study, target_name=asked.objective_name, **arguments)
    return Drawing(figure, said(len(sample), sample.n_all, "completed trials"))


def _most_hovered(study: Study) -> int:
    """How many trials are drawn where each has a text of all its parameters."""
    return min(MAX_HOVERED, MAX_CELLS // len(study.search_space))


def _check_several(study: Study) -> None:
    if not study.is_multi_objective:
        raise SingleObjective(f'study "{study.name}" has one objective')

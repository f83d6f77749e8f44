"""The catalogue of plots: Optuna's, drawn from samples of bounded size."""

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from optuna import visualization  # lazy: imports Plotly at the first plot

from analysis import lazy_imports, samples
from analysis.completed_trials import CompletedTrials, check_objective
from analysis.errors import (
    ImportanceUnavailable,
    NoSuchParameter,
    PlotUnavailable,
    SingleObjective,
    TooFewTrials,
)
from analysis.hypervolume import hypervolume_of
from analysis.importance import evaluator_returning, importance_of
from analysis.plots.corrections import extend_running_bars, label_infinite_ranks
from analysis.plots.drawing import Drawing, PlotRequest, empty_plot, subsample_note, title
from analysis.samples import Sample
from studies.models import Study

if TYPE_CHECKING:
    import plotly.graph_objects as go

_logger = logging.getLogger(__name__)

# The maximum number of trials in a plot: a figure stays below 3 MB, and a laptop draws it at once.
MAX_POINTS = 3000
MAX_HOVERED = 1000  # if each trial has a text with its parameters
MAX_CELLS = 30_000  # trials × parameters, if each trial has a point for each parameter
MAX_LINES = 1000
MAX_RANKED = 300  # if each trial has a point for each pair of parameters
MAX_CONTOURED = 100  # if each pair of parameters has a grid of all trials' values
MAX_CURVES = 100
MAX_STEPS = 200  # of a curve
# The maximum number of parameters in a plot; the first ones are drawn.
MAX_PARAMETERS = 20
MAX_PAIRED = 4
NOTHING_COMPLETED = "no trial has completed yet"


def draw(*, kind: str, request: PlotRequest) -> "go.Figure":
    """Draw a plot. Its subtitle states what it leaves out, or why it is empty.

    Args:
        kind: A key of `KINDS`.
        request: The study and the options of the plot.

    Returns:
        A Plotly figure.

    Raises:
        NoSuchObjective: The study has no objective with this index.
        NoSuchParameter: The search space has no parameter with this name.
        SingleObjective: The plot is for several objectives.
        PlotUnavailable: The plot does not exist for this number of objectives.
    """
    check_objective(request.study, request.target_idx)
    for name in request.params or ():
        if name not in request.study.space.distributions:
            raise NoSuchParameter(f'the study has no parameter "{name}"')
    lazy_imports.load(lazy_imports.PLOTS)
    try:
        drawing = KINDS[kind](request)
    except (ValueError, ArithmeticError) as error:  # e.g. values too far apart for a scale
        _logger.warning("no plot %s of study %s", kind, request.study.name, exc_info=True)
        drawing = empty_plot(kind.replace("_", " ").capitalize(), f"it cannot be drawn: {error}")
    subtitle = "; ".join(drawing.left_out)
    drawing.figure.update_layout(title={"subtitle": {"text": subtitle}})
    return drawing.figure


def _history(request: PlotRequest) -> Drawing:
    completed = CompletedTrials.of(request.study)
    wanted = completed.is_better(request.target_idx)
    sample = samples.of_objective(completed, request.target_idx, most=MAX_POINTS, preferred=wanted)
    # Optuna uses a trial's number as its index, which differs in a sample.
    numbers = [trial.number for trial in sample.trials]
    for position, trial in enumerate(sample.trials):
        trial.number = position
    drawing = _drawn(request, sample, "plot_optimization_history")
    best = completed.best_so_far(request.target_idx)[np.searchsorted(completed.numbers, numbers)]
    for curve in drawing.figure.data:
        curve.x = [numbers[position] for position in curve.x]
        if curve.name == "Best Value":  # the sample may lack some incumbents
            curve.y = best.tolist()
    return drawing


def _edf(request: PlotRequest) -> Drawing:
    completed, left_out = _finite(request)
    sample = samples.of_objective(completed, request.target_idx, most=MAX_POINTS)
    return _drawn(request, sample, "plot_edf", left_out)


def _importance(request: PlotRequest) -> Drawing:
    try:
        found = importance_of(
            study=request.study,
            target_idx=request.target_idx,
            target=request.target,
            method=request.method,
        )
    except (TooFewTrials, ImportanceUnavailable) as error:
        return empty_plot("Hyperparameter Importances", error.detail)
    figure = visualization.plot_param_importances(
        samples.of_two(request.study).optuna_study,
        evaluator=evaluator_returning(found.importances),
        target_name=request.objective_name,
    )
    figure.update_layout(title={"text": f"Hyperparameter Importances by {found.method}"})
    (bars,) = figure.data
    for each in ("x", "y", "text", "hovertemplate"):  # the most important parameters are last
        bars[each] = bars[each][-MAX_PARAMETERS:]
    left_out = [
        *subsample_note(found.n_trials, found.n_complete, "completed trials"),
        *subsample_note(len(bars.y), len(found.importances), "parameters"),
    ]
    return Drawing(figure, left_out)


def _by_parameter(
    plot: str, most: int, most_parameters: int = MAX_PARAMETERS
) -> Callable[[PlotRequest], Drawing]:
    """Return the function that draws a plot with one panel per parameter or pair of parameters."""

    def drawing(request: PlotRequest) -> Drawing:
        names = list(request.params or request.study.space.distributions)
        shown = names[:most_parameters]
        if plot == "plot_contour" and len(shown) < 2:
            return empty_plot(title(plot), "a contour needs at least two parameters")
        is_ranked = plot == "plot_rank"
        completed, left_out = _all(request) if is_ranked else _finite(request)
        sample = samples.of_objective(
            completed,
            request.target_idx,
            most=min(most, MAX_CELLS // len(shown)),
            preferred=completed.is_better(request.target_idx),
        )
        if sample.trials:
            found = {name for trial in sample.trials for name in trial.params}
            shown = [name for name in shown if name in found]
            if not shown:
                return empty_plot(title(plot), "no completed trial has these parameters")
        sample.keep_params(shown)  # the hover texts would contain the others
        left_out += subsample_note(len(shown), len(names), "parameters")
        return _drawn(request, sample, plot, left_out, params=shown)

    return drawing


def _intermediate_values(request: PlotRequest) -> Drawing:
    sample = samples.with_steps(request.study, most=MAX_CURVES, most_steps=MAX_STEPS)
    if not sample.trials:
        return empty_plot("Intermediate Values Plot", "no trial has reported yet")
    figure = visualization.plot_intermediate_values(sample.optuna_study)
    # The states of the curves by their names, so that some can be hidden.
    states = {f"Trial{trial.number}": trial.state.name for trial in sample.trials}
    figure.update_layout(meta={"states": states})
    left_out = subsample_note(len(sample), sample.n_all, "trials that reported")
    if sample.has_subsampled_steps:
        left_out.append(f"at most {MAX_STEPS} of a trial's steps")
    return Drawing(figure, left_out)


def _timeline(request: PlotRequest) -> Drawing:
    sample = samples.of_started(request.study, most=_most_hovered(request.study))
    if not sample.trials:
        return empty_plot("Timeline Plot", "no trial has started yet")
    figure = visualization.plot_timeline(sample.optuna_study)
    extend_running_bars(figure)
    return Drawing(figure, subsample_note(len(sample), sample.n_all, "trials that have started"))


def _pareto_front(request: PlotRequest) -> Drawing:
    _check_several(request.study)
    names = request.study.objective_names
    if len(names) > 3:
        raise PlotUnavailable(f"a Pareto front is drawn for 2 or 3 objectives, not {len(names)}")
    completed = CompletedTrials.of(request.study)
    sample = samples.of_completed(
        completed, most=_most_hovered(request.study), preferred=completed.is_on_front
    )
    if not sample.trials:
        return empty_plot("Pareto-front Plot", NOTHING_COMPLETED)
    figure = visualization.plot_pareto_front(sample.optuna_study, target_names=names)
    return Drawing(figure, subsample_note(len(sample), sample.n_all, "completed trials"))


def _hypervolume(request: PlotRequest) -> Drawing:
    _check_several(request.study)
    found = hypervolume_of(study=request.study, reference_point=request.reference_point)
    return Drawing(
        found.figure, subsample_note(found.n_trials, found.n_complete, "completed trials")
    )


# By kind, the most useful first.
KINDS: Mapping[str, Callable[[PlotRequest], Drawing]] = {
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


def _all(request: PlotRequest) -> tuple[CompletedTrials, list[str]]:
    """Return the completed trials, and no note."""
    return CompletedTrials.of(request.study), []


def _finite(request: PlotRequest) -> tuple[CompletedTrials, list[str]]:
    """Return the completed trials with finite values, and a note if there are others."""
    completed, _ = _all(request)
    finite = completed.finite(request.target_idx)
    n_infinite = len(completed) - len(finite)
    return finite, [f"{n_infinite:,} infinite values are left out"] if n_infinite else []


def _drawn(
    request: PlotRequest, sample: Sample, plot: str, left_out: Sequence[str] = (), **arguments: Any
) -> Drawing:
    """Draw one of Optuna's plots of completed trials; `left_out` is what the sample lacks."""
    if not sample.trials:
        return empty_plot(title(plot), "; ".join(left_out) or NOTHING_COMPLETED)
    draw_plot = getattr(visualization, plot)
    with np.errstate(invalid="ignore"):  # differences of infinite values
        figure = draw_plot(sample.optuna_study, target_name=request.objective_name, **arguments)
    if plot == "plot_rank":
        label_infinite_ranks(figure, [trial.values[0] for trial in sample.trials])
    shown = subsample_note(len(sample), sample.n_all, "completed trials")
    return Drawing(figure, [*shown, *left_out])


def _most_hovered(study: Study) -> int:
    """Return the maximum number of trials in a plot with a text of all parameters for each."""
    return min(MAX_HOVERED, MAX_CELLS // len(study.search_space))


def _check_several(study: Study) -> None:
    if not study.is_multi_objective:
        raise SingleObjective(f'study "{study.name}" has one objective')

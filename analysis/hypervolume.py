"""The hypervolume of a Pareto front: the volume of the objective space that it dominates."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from optuna import visualization  # lazy: imports Plotly at the first plot

from analysis import lazy_imports, samples
from analysis.completed_trials import CompletedTrials
from analysis.errors import InvalidReferencePoint, SingleObjective
from studies.models import Study

if TYPE_CHECKING:
    import plotly.graph_objects as go

# Trials by number of objectives that take seconds; the time grows exponentially with objectives.
_MOST = {2: 2000, 3: 400, 4: 100, 5: 60, 6: 40}
_LEAST = 20


@dataclass(frozen=True)
class Point:
    """The hypervolume after a trial has completed."""

    trial_id: int
    hypervolume: float


@dataclass(frozen=True)
class Hypervolume:
    """The history of the hypervolume for a sample of trials and a reference point."""

    reference_point: list[float]
    n_trials: int
    n_complete: int
    figure: "go.Figure"

    @cached_property
    def history(self) -> list[Point]:
        (curve,) = self.figure.data
        return [Point(int(x), float(y)) for x, y in zip(curve.x, curve.y, strict=True)]

    @property
    def hypervolume(self) -> float:
        return self.history[-1].hypervolume if self.history else 0.0

    @property
    def is_subsampled(self) -> bool:
        return self.n_trials < self.n_complete


def hypervolume_of(*, study: Study, reference_point: Sequence[float] | None = None) -> Hypervolume:
    """Compute the hypervolume that the feasible trials dominate, over time.

    Args:
        study: A study with several objectives.
        reference_point: One number for each objective; a trial that is worse in one of them adds
            nothing (`optuna.visualization`). None means the worst values of the feasible trials.

    Returns:
        The hypervolume after each trial of a sample.

    Raises:
        SingleObjective: The study has one objective.
        InvalidReferencePoint: The number of coordinates is wrong, or the volume is not finite.
    """
    objectives = len(study.directions)
    if objectives == 1:
        raise SingleObjective(f'study "{study.name}" has one objective: it has no hypervolume')
    if reference_point is not None:
        check_reference_point(reference_point, objectives)
    completed = CompletedTrials.of(study)
    point = _default_point(completed) if reference_point is None else np.array(reference_point)
    most = _MOST.get(objectives, _LEAST)
    sample = samples.of_completed(completed, most=most, preferred=completed.is_on_front)
    lazy_imports.load(lazy_imports.PLOTS)
    figure = visualization.plot_hypervolume_history(sample.optuna_study, point.tolist())
    found = Hypervolume(point.tolist(), len(sample), sample.n_all, figure)
    check_volume(found.hypervolume)
    return found


def _default_point(completed: CompletedTrials) -> NDArray[np.float64]:
    return worst_losses(completed.losses[completed.is_feasible]) * completed.signs


def check_reference_point(point: Sequence[float], n_objectives: int) -> None:
    """Raise `InvalidReferencePoint` unless a point has a number for each objective."""
    if len(point) != n_objectives:
        raise _invalid(f"expected {n_objectives} numbers, one for each objective, not {len(point)}")


def check_volume(volume: float) -> None:
    """Raise `InvalidReferencePoint` if the volume up to it is not finite."""
    if not math.isfinite(volume):
        raise _invalid("the hypervolume up to this point is too large for a number")


def worst_losses(losses: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the worst finite loss of each objective, (objectives,), of losses (n, objectives)."""
    worst = losses.max(axis=0, initial=-np.inf, where=np.isfinite(losses))
    return np.where(np.isfinite(worst), worst, 0.0)


def _invalid(detail: str) -> InvalidReferencePoint:
    return InvalidReferencePoint(detail, [(("reference_point",), detail)])

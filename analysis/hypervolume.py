"""The hypervolume of a Pareto front: how much of the space of objectives it dominates."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from optuna import visualization  # a lazy module: Plotly comes with the first plot

from analysis import samples
from analysis.completed_trials import CompletedTrials
from analysis.errors import InvalidReferencePoint, SingleObjective
from studies.models import Study

if TYPE_CHECKING:
    import plotly.graph_objects as go

# Its time grows with the power of the objectives: so many trials take seconds.
_MOST = {2: 2000, 3: 400, 4: 100, 5: 60, 6: 40}
_LEAST = 20


@dataclass(frozen=True)
class Point:
    """The hypervolume once this trial had completed."""

    trial_id: int
    hypervolume: float


@dataclass(frozen=True)
class Hypervolume:
    """The hypervolume after each of some trials, with respect to a reference point."""

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
    """The hypervolume that the feasible trials dominate up to `reference_point`, over time.

    Without a point it is the worst value of each objective among the feasible trials. A trial
    that is worse than it in an objective adds nothing (`optuna.visualization`).

    Raises:
        SingleObjective
        InvalidReferencePoint: it has not one number an objective, or is too far away.
    """
    objectives = len(study.directions)
    if objectives == 1:
        raise SingleObjective(f'study "{study.name}" has one objective: it has no hypervolume')
    if reference_point is not None and len(reference_point) != objectives:
        detail = f"expected {objectives} numbers, one an objective, not {len(reference_point)}"
        raise InvalidReferencePoint(detail, [(("reference_point",), detail)])
    outline = CompletedTrials.of(study)
    point = _worst(outline) if reference_point is None else np.array(reference_point)
    most = _MOST.get(objectives, _LEAST)
    sample = samples.of_completed(outline, most=most, wanted=outline.is_on_front)
    figure = visualization.plot_hypervolume_history(sample.optuna_study, point.tolist())
    found = Hypervolume(point.tolist(), len(sample), sample.n_all, figure)
    if not math.isfinite(found.hypervolume):
        detail = "the hypervolume up to this point is too large for a number"
        raise InvalidReferencePoint(detail, [(("reference_point",), detail)])
    return found


def _worst(outline: CompletedTrials) -> NDArray[np.float64]:
    """The worst value of each objective among the feasible trials."""
    losses = outline.losses[outline.is_feasible]
    if not len(losses):
        return np.zeros(len(outline.study.directions))
    worst: NDArray[np.float64] = losses.max(axis=0) * outline.signs
    return worst

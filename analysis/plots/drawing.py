"""The request for a plot, and the drawn plot."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from analysis.importance import FRONT, OBJECTIVE
from studies.models import Study

if TYPE_CHECKING:
    import plotly.graph_objects as go


@dataclass(frozen=True)
class PlotRequest:
    """The study and the options of a plot; without `params`, the first parameters are drawn."""

    study: Study
    target_idx: int = 0
    target: str = OBJECTIVE
    method: str | None = None
    params: Sequence[str] | None = None
    reference_point: Sequence[float] | None = None

    @property
    def objective_name(self) -> str:
        if self.target == FRONT:
            return "the Pareto front"
        return self.study.objective_names[self.target_idx]


@dataclass(frozen=True)
class Drawing:
    """A figure, and descriptions of what it leaves out."""

    figure: "go.Figure"
    left_out: Sequence[str] = ()


def title(plot: str) -> str:
    """Return the title of one of Optuna's plots from the name of its function."""
    return f"{plot.removeprefix('plot_').replace('_', ' ').title()} Plot"


def empty_plot(title: str, reason: str) -> Drawing:
    """Return a plot without data, with the reason."""
    import plotly.graph_objects as go

    return Drawing(go.Figure(layout={"title": {"text": title}}), [reason])


def subsample_note(shown: int, n_all: int, what: str) -> list[str]:
    """Return a note on how many items are shown, or nothing if all are shown."""
    return [] if shown == n_all else [f"{shown:,} of {n_all:,} {what} are shown"]

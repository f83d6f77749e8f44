"""What is asked of a plot, and what it gives."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from analysis.importance import FRONT, OBJECTIVE
from studies.models import Study

if TYPE_CHECKING:
    import plotly.graph_objects as go


@dataclass(frozen=True)
class Asked:
    """What is to be drawn of a study; of its parameters the first ones, where none are named."""

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
        return f"Objective {self.target_idx}" if self.study.is_multi_objective else "Objective"


@dataclass(frozen=True)
class Drawing:
    """A figure, and in words what it leaves out."""

    figure: "go.Figure"
    left_out: Sequence[str] = ()


def title(plot: str) -> str:
    return f"{plot.removeprefix('plot_').replace('_', ' ').title()} Plot"


def nothing(title: str, why: str) -> Drawing:
    """An empty plot."""
    import plotly.graph_objects as go

    return Drawing(go.Figure(layout={"title": {"text": title}}), [why])


def said(shown: int, n_all: int, what: str) -> list[str]:
    return [] if shown == n_all else [f"{shown:,} of {n_all:,} {what} are shown"]

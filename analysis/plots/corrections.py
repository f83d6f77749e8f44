"""Corrections of Optuna's figures."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
from django.utils import timezone

from optuna_bridge.enums import TrialState

if TYPE_CHECKING:
    import plotly.graph_objects as go


def extend_running_bars(figure: "go.Figure") -> None:
    """Extend the bars of a timeline's running trials until now.

    Optuna ends those that run unusually long with the last trial that has ended.
    """
    now = timezone.now().replace(tzinfo=None)  # UTC, as the starts are
    for bars in figure.select_traces({"name": TrialState.RUNNING}):
        starts = map(datetime.fromisoformat, bars.base)
        bars.x = [max(now - start, timedelta()).total_seconds() * 1000 for start in starts]


def label_infinite_ranks(figure: "go.Figure", values: Sequence[float]) -> None:
    """Label the colours of a plot of ranks by values, where some of them are infinite.

    Optuna interpolates between two values, which is NaN for infinite ones.
    """
    if np.isfinite(values).all():
        return
    bar = figure.data[-1].marker.colorbar
    quantiles = np.quantile(values, bar.tickvals, method="nearest")
    names = (text.split(" (")[0] for text in bar.ticktext)
    bar.ticktext = [f"{name} ({value:3g})" for name, value in zip(names, quantiles, strict=True)]

"""The best value so far, over trials or over time, and the distribution of the values."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.completed_trials import subsample
from optuna_bridge.pareto import hypervolume_gain

MAX_POINTS = 500  # of a curve
MAX_SHARES = 200  # points of a distribution


@dataclass(frozen=True)
class Curve:
    """The steps of a value that only becomes better.

    Attributes:
        at: Where each step is, ascending, of shape (n,).
        values: The value from there on, (n,).
        end: Where the curve ends.
    """

    at: NDArray[np.float64]
    values: NDArray[np.float64]
    end: float

    @property
    def final(self) -> float | None:
        """The last value; None if there is none."""
        return float(self.values[-1]) if len(self.values) else None

    def reached(self, target: float, sign: float) -> float | None:
        """Return where the value was as good as the target first; None if it never was."""
        is_reached = self.values * sign <= target * sign
        return float(self.at[is_reached.argmax()]) if is_reached.any() else None

    @property
    def points(self) -> list[tuple[float, float]]:
        """The steps, and the end: all, or `MAX_POINTS` with the first and the last step."""
        if not len(self.at):
            return []
        chosen = subsample(len(self.at), MAX_POINTS - 1)
        found = list(zip(self.at[chosen].tolist(), self.values[chosen].tolist(), strict=True))
        if self.end > found[-1][0]:
            found.append((self.end, found[-1][1]))
        return found


def best_so_far(
    losses: NDArray[np.float64], sign: float, at: NDArray[np.float64], end: float
) -> Curve:
    """Return the best value of the results up to each.

    Args:
        losses: The losses of the results in their order, (n,).
        sign: What turns a value into a loss, and back.
        at: Where each result is, (n,), ascending.
        end: Where the curve ends.
    """
    best = np.minimum.accumulate(losses)
    is_step = np.concatenate([[True], best[1:] < best[:-1]])[: len(losses)]
    return Curve(at[is_step], best[is_step] * sign, end)


def hypervolume_so_far(
    losses: NDArray[np.float64],
    reference: NDArray[np.float64],
    at: NDArray[np.float64],
    end: float,
) -> Curve:
    """Return the hypervolume that the results up to each dominate.

    Args:
        losses: The losses of the results in their order, (n, objectives).
        reference: The losses up to which the volume is measured, (objectives,).
        at: Where each result is, (n,), ascending.
        end: Where the curve ends.
    """
    front = np.empty((0, len(reference)))
    steps: list[tuple[float, float]] = []
    volume = 0.0
    for place, point in zip(at.tolist(), losses, strict=True):
        gain = hypervolume_gain(point, front, reference)
        if gain > 0:
            volume += gain
            front = np.vstack([front[~(point <= front).all(axis=1)], point])
            steps.append((place, volume))
    if len(at) and (not steps or steps[0][0] > at[0]):
        steps.insert(0, (float(at[0]), 0.0))
    where, values = np.array(steps).reshape(len(steps), 2).T
    return Curve(where, values, end)


def distribution(values: NDArray[np.float64]) -> list[tuple[float, float]]:
    """Return the empirical distribution function: values, and the share up to each of them.

    It is exact at the returned values, which are all of them, or evenly spaced in their order.
    """
    ordered = np.sort(values[np.isfinite(values)])
    shown = np.unique(ordered[subsample(len(ordered), MAX_SHARES)])
    shares = np.searchsorted(ordered, shown, side="right") / max(1, len(ordered))
    return list(zip(shown.tolist(), shares.tolist(), strict=True))

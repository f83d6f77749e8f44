"""Pareto dominance between points.

One point dominates another if it is at least as good in every objective, and better in one. Points
are losses, in arrays of shape (n, objectives); less is better.
"""

import math

import numpy as np
from numpy.typing import NDArray
from optuna._hypervolume import compute_hypervolume  # has no public equivalent
from optuna.study._multi_objective import _is_pareto_front  # has no public equivalent

_PAIRS = 2_000_000  # compared at a time, which bounds the memory to some megabytes


def hypervolume_gain(
    point: NDArray[np.float64], others: NDArray[np.float64], reference: NDArray[np.float64]
) -> float:
    """Return by how much one more point makes the hypervolume of others larger.

    The time grows exponentially with the objectives, and with the others that are not worse than
    the reference point.

    Args:
        point: The new point, of shape (objectives,).
        others: The points that are there, of shape (n, objectives).
        reference: The reference point, of shape (objectives,).
    """
    if not (point < reference).all() or (others <= point).all(axis=1).any():
        return 0.0
    # What the others dominate within the box between the point and the reference point.
    within = np.maximum(others, point)
    within = np.unique(within[(within < reference).all(axis=1)], axis=0)
    with np.errstate(over="ignore", invalid="ignore"):
        gain = float(np.prod(reference - point))
        if len(within) and math.isfinite(gain):
            front = within[undominated(within)]
            gain -= float(compute_hypervolume(front, reference, assume_pareto=True))
    # A point that is not dominated adds something, even where the difference is rounded to 0.
    return max(gain, math.ulp(0.0))


def undominated(losses: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return for each of n points whether none of the others dominates it, as n booleans."""
    if len(losses) < 2:
        return np.ones(len(losses), dtype=bool)
    return _is_pareto_front(losses, assume_unique_lexsorted=False)


def dominated(losses: NDArray[np.float64], by: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return for each of n points whether one of m others dominates it, as n booleans."""
    result = np.zeros(len(losses), dtype=bool)
    size = max(1, _PAIRS // max(1, len(by)))
    for start in range(0, len(losses), size):
        some = losses[start : start + size]
        no_worse = np.ones((len(some), len(by)), dtype=bool)
        for objective in range(losses.shape[1]):
            no_worse &= by[None, :, objective] <= some[:, None, objective]
        # The pairs of equal points are among these; they do not dominate each other.
        these, others = np.nonzero(no_worse)
        is_better = (by[others] < some[these]).any(axis=1)
        result[start + these[is_better]] = True
    return result

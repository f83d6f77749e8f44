"""Pareto dominance between points.

One point dominates another if it is at least as good in every objective, and better in one. Points
are losses, in arrays of shape (n, objectives); less is better.
"""

import numpy as np
from numpy.typing import NDArray
from optuna.study._multi_objective import _is_pareto_front  # has no public equivalent

_PAIRS = 2_000_000  # compared at a time, which bounds the memory to some megabytes


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

"""Non-domination ranks, as Optuna computes them."""

import numpy as np
from numpy.typing import NDArray
from optuna.study._multi_objective import _fast_non_domination_rank  # it has no public name


def non_domination_ranks(
    losses: NDArray[np.float64], violations: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Rank trials by non-domination (Deb et al. 2002); the Pareto front has rank 0.

    Args:
        losses: (trials, objectives), smaller is better.
        violations: (trials,), 0 for a feasible trial. Feasible trials rank before others.

    Returns:
        (trials,), the rank of each.
    """
    return _fast_non_domination_rank(losses, penalty=violations).astype(np.float64)

"""Which of many trials are the best, found by sorting only."""

import numpy as np


def best_first(losses: np.ndarray, violations: np.ndarray) -> np.ndarray:
    """Return the positions of all trials, the best first; of equal trials, the earlier first.

    Feasible trials come first, then the others by their violation. With several objectives, the
    next best one by each objective, and by the sum of its ranks over all of them, come in turn.
    That keeps both ends and the middle of a front, and costs no more than sorting, while ranks of
    Pareto fronts cost the square of the number of trials.

    Args:
        losses: (trials, objectives), to be minimised.
        violations: (trials,), the sums of the positive constraint values.
    """
    orders = [np.lexsort((of_one, violations)) for of_one in losses.T]
    if len(orders) == 1:
        return orders[0]
    ranks = np.argsort(orders, axis=1)
    orders.append(np.argsort(ranks.sum(axis=0), kind="stable"))
    in_turn = np.array(orders).T.ravel()
    _, first = np.unique(in_turn, return_index=True)
    return in_turn[np.sort(first)]

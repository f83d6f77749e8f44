"""Which of the finished trials are TPE's good ones."""

from bisect import bisect_right

import numpy as np
from optuna import Study
from optuna.samplers._tpe.sampler import _get_reference_point, _solve_hssp_with_cache
from optuna.study import StudyDirection
from optuna.study._multi_objective import _fast_non_domination_rank
from optuna.trial import TrialState

from optuna_bridge.samplers.best_trials import best_first
from optuna_bridge.samplers.trial_columns import TrialColumns

# Beyond these, cheaper rules replace Optuna's where it takes more than some 2 s.
MAX_RANKED = 10_000  # trials with three or more objectives, of which fronts are found
# By the number of objectives: a front's trials, times those to choose. The time grows faster than
# exponentially with the objectives, and depends on the shape of the front.
MAX_PAIRS = {
    **{2: 40_000_000, 3: 400_000, 4: 60_000, 5: 8_000, 6: 2_000, 7: 1_000},
    **{8: 700, 9: 500, 10: 400},
}


def best_trials(study: Study, columns: TrialColumns, n_below: int) -> np.ndarray:
    """Return the numbers of the best trials: complete, then pruned, then infeasible ones."""
    states, feasible = columns.states[: columns.n], columns.violations[: columns.n] <= 0
    is_complete = states == TrialState.COMPLETE.value
    is_pruned = states == TrialState.PRUNED.value
    best: list[np.ndarray] = []
    for numbers, ranked in (
        (np.flatnonzero(is_complete & feasible), _best_complete),
        (np.flatnonzero(is_pruned & feasible), _best_pruned),
        (np.flatnonzero((is_complete | is_pruned) & ~feasible), _least_infeasible),
    ):
        n = min(n_below, len(numbers))
        best.append(numbers[ranked(study, columns, numbers, n)])
        n_below -= n
    return np.concatenate(best)


def _best_complete(study: Study, columns: TrialColumns, numbers: np.ndarray, n: int) -> np.ndarray:
    """Return the positions of the n best; for one objective, the earlier of equal trials win."""
    signs = [-1.0 if each == StudyDirection.MAXIMIZE else 1.0 for each in study.directions]
    losses = columns.values[:, numbers].T * signs
    if len(signs) == 1:
        return np.argsort(losses[:, 0], kind="stable")[:n]
    if n == 0 or n == len(numbers):
        return np.arange(n)
    if len(signs) == 2 or len(losses) <= MAX_RANKED:
        return _best_of_several_objectives(losses, n)
    some = best_first(losses, np.zeros(len(losses)))[: max(n, MAX_RANKED)]
    return some[:n] if n >= MAX_RANKED else some[_best_of_several_objectives(losses[some], n)]


def _best_of_several_objectives(losses: np.ndarray, n: int) -> np.ndarray:
    """Return the positions of the n best of `losses` (trials, objectives), as Optuna splits them.

    Pareto fronts are taken whole while they fit; of the next front, the subset with the largest
    hypervolume is taken.
    """
    is_pair = losses.shape[1] == 2
    ranks = _ranks_of_pairs(losses) if is_pair else _fast_non_domination_rank(losses, n_below=n)
    _, sizes = np.unique(ranks, return_counts=True)
    n_whole = int(np.count_nonzero(np.cumsum(sizes) <= n))
    best = np.flatnonzero(ranks < n_whole)
    if len(best) == n:
        return best
    tied = np.flatnonzero(ranks == n_whole)
    return np.append(best, _spread_over_front(losses[tied], tied, n - len(best)))


def _spread_over_front(losses: np.ndarray, positions: np.ndarray, n: int) -> np.ndarray:
    """Return those n `positions` of a front, with `losses`, that have the largest hypervolume.

    If that costs too much, return those with the largest crowding distance.
    """
    if len(losses) * n > MAX_PAIRS[losses.shape[1]]:
        return positions[np.argsort(-_crowding_distances(losses), kind="stable")[:n]]
    reference = _get_reference_point(losses)
    chosen: np.ndarray = _solve_hssp_with_cache(
        tuple(losses.ravel()), tuple(positions), n, tuple(reference)
    )
    return chosen


def _crowding_distances(losses: np.ndarray) -> np.ndarray:
    """Return the crowding distance of each of `losses` (trials, objectives), as of NSGA-II.

    It is the sum over the objectives of the distance between both neighbours, in units of the
    range; infinite at both ends. https://doi.org/10.1109/4235.996017
    """
    distances = np.zeros(len(losses))
    for of_one in losses.T:
        order = np.argsort(of_one, kind="stable")
        ascending = of_one[order]
        width = ascending[-1] - ascending[0]
        if np.isfinite(width) and width > 0:
            distances[order[1:-1]] += (ascending[2:] - ascending[:-2]) / width
        distances[order[[0, -1]]] = np.inf
    return distances


def _ranks_of_pairs(losses: np.ndarray) -> np.ndarray:
    """Return the non-domination rank of each of `losses` (trials, 2), in one pass over all fronts.

    In order of the first loss, a point belongs to the first front on which no point so far has a
    second loss as low as its own. Equal points have the same rank.
    """
    ranks = np.empty(len(losses), dtype=int)
    order = np.lexsort((losses[:, 1], losses[:, 0]))
    lowest: list[float] = []  # the lowest second loss of each front; ascending
    last, rank = None, 0
    for position, point in zip(order.tolist(), losses[order].tolist(), strict=True):
        if point != last:
            last, rank = point, bisect_right(lowest, point[1])
            lowest[rank : rank + 1] = [point[1]]
        ranks[position] = rank
    return ranks


def _best_pruned(study: Study, columns: TrialColumns, numbers: np.ndarray, n: int) -> np.ndarray:
    """Return the positions of the n best, by highest step, then by last value (NaN is worst)."""
    steps, values = columns.last_steps[numbers], columns.last_step_values[numbers]
    has_steps = steps >= 0
    if columns.pruning_direction == StudyDirection.MAXIMIZE:
        values = -values
    values = np.where(np.isnan(values), np.where(has_steps, np.inf, 0.0), values)
    return np.lexsort((values, np.where(has_steps, -steps, 1)))[:n]


def _least_infeasible(
    study: Study, columns: TrialColumns, numbers: np.ndarray, n: int
) -> np.ndarray:
    return np.argsort(columns.violations[numbers], kind="stable")[:n]

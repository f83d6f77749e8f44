"""Optuna's Wilcoxon pruner, without its copy of the best trial, its warnings, and slow tests.

Optuna's warns at each report of a trial with NaN, or with a step that the best trial lacks, and
Python keeps each text for ever. SciPy tests up to 13 differences with ties or zeros by trying all
signs, in up to half a second; here they are counted. The decisions are the same.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
import optuna
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

MAX_COUNTED = 13  # differences with ties or zeros; SciPy approximates beyond

Alternative = Literal["less", "greater"]


class WilcoxonPruner(optuna.pruners.WilcoxonPruner):
    """The pruner that stops a trial which is probably worse than the best one, step by step."""

    def prune(self, study: optuna.Study, trial: FrozenTrial) -> bool:
        sign = -1 if study.direction == StudyDirection.MAXIMIZE else 1
        reported = trial.intermediate_values
        best = _best_trial(study, sign)
        if best is None or not (_can_test(reported) and _can_test(best.intermediate_values)):
            return False
        steps = sorted(reported.keys() & best.intermediate_values.keys())
        if len(steps) < max(2, self._n_startup_steps):
            return False
        differences = [reported[step] - best.intermediate_values[step] for step in steps]
        p = p_value(differences, "greater" if sign == 1 else "less")
        # For safety: the mean of all values has to be worse, too.
        is_worse = sign * _mean(reported) > sign * _mean(best.intermediate_values)
        return p < self._p_threshold and is_worse


def p_value(differences: Sequence[float], alternative: Alternative) -> float:
    """Return the p-value of the Wilcoxon signed-rank test; zeros are split, as in Optuna."""
    sizes = [abs(each) for each in differences]
    if len(sizes) <= MAX_COUNTED and (0 in sizes or len(set(sizes)) < len(sizes)):
        return _counted_p_value(differences, alternative)
    from scipy import stats

    test = stats.wilcoxon(np.array(differences), alternative=alternative, zero_method="zsplit")
    return float(test.pvalue)


def _counted_p_value(differences: Sequence[float], alternative: Alternative) -> float:
    """Return the share of signs with a sum of positive ranks that is as extreme as the given one.

    It is that of SciPy's exact permutation test. Half of each zero's rank is in every sum.
    """
    sizes = sorted(abs(each) for each in differences)
    # Twice the mean rank of equal sizes, which is an integer.
    ranks = {size: 2 * sizes.index(size) + sizes.count(size) + 1 for size in sizes}
    signed = [(each > 0, ranks[abs(each)]) for each in differences if each != 0]
    observed = sum(rank for is_positive, rank in signed if is_positive)
    n_signs = [1] + [0] * sum(rank for _, rank in signed)  # by the sum of positive ranks
    for _, rank in signed:
        added = [0] * rank + n_signs[: len(n_signs) - rank]
        n_signs = [one + other for one, other in zip(n_signs, added, strict=True)]
    extreme = n_signs[observed:] if alternative == "greater" else n_signs[: observed + 1]
    return float(sum(extreme) / 2 ** len(signed))


def _best_trial(study: optuna.Study, sign: int) -> FrozenTrial | None:
    """Return the best feasible trial, as `Study.best_trial`, or None; of equals the first."""
    best, least = None, math.inf
    for trial in study.get_trials(deepcopy=False, states=[TrialState.COMPLETE]):
        loss = sign * trial.values[0]
        if (best is None or loss < least) and all(x <= 0 for x in trial.constraints.values()):
            best, least = trial, loss
    return best


def _can_test(values: Mapping[int, float]) -> bool:
    return bool(values) and all(map(math.isfinite, values.values()))


def _mean(values: Mapping[int, float]) -> float:
    return sum(values.values()) / len(values)

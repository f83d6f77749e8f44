"""Optuna's Wilcoxon pruner, without its copy of the best trial and its warnings.

Optuna's warns at each report of a trial with NaN, or with a step that the best trial lacks, and
Python keeps each text for ever. The decisions are the same, which the tests compare.
"""

import math
from collections.abc import Mapping

import numpy as np
import optuna
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState


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
        losses = [sign * (reported[step] - best.intermediate_values[step]) for step in steps]
        is_worse = _p_value(losses) < self._p_threshold
        # For safety: the mean of all values is to be worse, too.
        return is_worse and sign * _mean(reported) > sign * _mean(best.intermediate_values)


def _best_trial(study: optuna.Study, sign: int) -> FrozenTrial | None:
    """Return the first of the best feasible trials, as `Study.best_trial`, or None."""
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


def _p_value(losses: list[float]) -> float:
    from scipy import stats  # which takes a second, once

    # As in Optuna; zsplit, since the differences may all be zero.
    test = stats.wilcoxon(np.array(losses), alternative="greater", zero_method="zsplit")
    return float(test.pvalue)

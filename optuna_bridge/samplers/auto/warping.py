"""Compressing bad values, of which a model then says less than of good ones."""

from collections.abc import Sequence
from copy import copy

import numpy as np
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial

# Of these the scale is taken, since they lie all over the space.
_N_FIRST = 20


def warp(losses: np.ndarray) -> np.ndarray:
    """Return losses (trials,), of which those above a middle value grow by a logarithm only.

    It is continuous with its first derivative, and keeps the order. The middle is the median of the
    first trials, and the unit the distance from their best to it: of all trials, most are close to
    the optimum later on, and their noise would be the unit.
    """
    first = losses[:_N_FIRST]
    middle = np.median(first)
    unit = middle - first.min()
    if not unit > 0:
        return losses
    with np.errstate(over="ignore"):  # of values beside which the unit is nearly 0
        ratio = np.maximum(losses - middle, 0.0) / unit
    ratio = np.minimum(ratio, np.finfo(float).max)
    return np.where(losses > middle, middle + unit * np.log1p(ratio), losses)


def warped_trials(trials: Sequence[FrozenTrial], direction: StudyDirection) -> list[FrozenTrial]:
    """Return copies of COMPLETE trials of one objective, with warped values."""
    sign = -1.0 if direction == StudyDirection.MAXIMIZE else 1.0
    losses = sign * np.array([trial.value for trial in trials], dtype=float)
    finite = np.isfinite(losses)
    losses[finite] = warp(losses[finite])
    warped = []
    for trial, loss in zip(trials, losses.tolist(), strict=True):
        changed = copy(trial)
        changed.value = sign * loss
        warped.append(changed)
    return warped

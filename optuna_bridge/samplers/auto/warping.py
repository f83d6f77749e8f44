"""A Gaussian process that looks more closely at good values than at bad ones."""

from collections.abc import Sequence
from copy import copy
from typing import Any

import numpy as np
from optuna import Study
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial

from optuna_bridge.samplers.gp.sampler import BoundedGPSampler


class WarpedGPSampler(BoundedGPSampler):
    """`gp` of values whose worse half is compressed by a logarithm.

    A few very bad values, as of a diverging training, would otherwise dominate the model's scale.
    With several objectives the values stay as they are, since the hypervolume depends on them.
    """

    def _sample_relative_impl(
        self, study: Study, completed_trials: list[FrozenTrial], *args: Any
    ) -> dict[str, Any]:
        if len(study.directions) == 1:
            completed_trials = _warped(completed_trials, study.directions[0])
        return super()._sample_relative_impl(study, completed_trials, *args)


def warp(losses: np.ndarray) -> np.ndarray:
    """Return losses (trials,), of which those above the median grow by a logarithm only.

    It is continuous with its first derivative, and keeps the order. The unit is the distance
    from the best to the median.
    """
    middle = np.median(losses)
    unit = middle - losses.min()
    if not unit > 0:
        return losses
    above = np.maximum(losses - middle, 0.0)
    return np.where(losses > middle, middle + unit * np.log1p(above / unit), losses)


def _warped(trials: Sequence[FrozenTrial], direction: StudyDirection) -> list[FrozenTrial]:
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

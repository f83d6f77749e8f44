"""Optuna's random sampler, without what it prepares anew for each value."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import optuna
from optuna import Study
from optuna._transform import _SearchSpaceTransform
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from optuna.trial import FrozenTrial

_Draw = Callable[[np.random.RandomState], Any]


class RandomSampler(optuna.samplers.RandomSampler):
    """Stock random sampling; how to draw a value is kept for each parameter."""

    def __init__(self, seed: int | None = None) -> None:
        super().__init__(seed=seed)
        self._draws: dict[str, tuple[BaseDistribution, _Draw]] = {}

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        known = self._draws.get(param_name)
        if known is None or known[0] is not param_distribution:
            known = self._draws[param_name] = param_distribution, _draw(param_distribution)
        return known[1](self._rng.rng)


def _draw(distribution: Any) -> _Draw:
    """Return a function that draws a value as `_SearchSpaceTransform` does, to the bit."""
    bounds = _SearchSpaceTransform({"": distribution}).bounds
    if isinstance(distribution, CategoricalDistribution):
        choices = distribution.choices
        return lambda rng: choices[rng.random_sample(len(choices)).argmax()]
    (low, high), value = bounds.tolist()[0], _untransform(distribution)
    return lambda rng: value(rng.uniform(low, high))


def _untransform(distribution: Any) -> Callable[[float], float]:
    """Return what `_untransform_numerical_param` computes, without arrays of one number."""
    low, high, step = distribution.low, distribution.high, distribution.step
    # Its result is 0-dimensional, and slower to compare.
    below_high = float(np.nextafter(high, high - 1))
    match isinstance(distribution, FloatDistribution), distribution.log, step is None:
        case True, True, _:
            return lambda x: min(max(math.exp(x), low), below_high)
        case True, False, True:
            return lambda x: min(x, below_high)
        case True, False, False:
            return lambda x: min(max(float(np.round((x - low) / step)) * step + low, low), high)
        case False, True, _:
            return lambda x: min(max(round(math.exp(x)), low), high)
    return lambda x: min(max(math.floor((x - low) / step + 0.5) * step + low, low), high)

"""Uniform draws from a distribution, for the one trial that no sampler can draw."""

import math
import random
from typing import Any

from tuner.space import Categorical, Distribution, Float, Ordinal

_random = random.SystemRandom()


def draw(distribution: Distribution) -> Any:
    """Return a value of a distribution, uniform on its scale."""
    if isinstance(distribution, Categorical):
        return _random.choice(distribution.choices)
    if isinstance(distribution, Ordinal):
        return _random.choice(distribution.values)
    low, high, step = distribution.low, distribution.high, distribution.step
    if distribution.log:
        value = math.exp(_random.uniform(math.log(low), math.log(high)))
        value = min(max(value, low), high)
        return value if isinstance(distribution, Float) else round(value)
    if step is None:
        return _random.uniform(low, high)
    n_steps = math.floor((high - low) / step + 1e-8)
    return low + _random.randint(0, n_steps) * step

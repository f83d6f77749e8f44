"""Discrete parameters with so many values that they are modelled as continuous."""

from typing import Any

from optuna.distributions import BaseDistribution, FloatDistribution, IntDistribution

MAX_GRID = 1000  # values of a discrete parameter; one with more is modelled as continuous


def relaxed(distribution: BaseDistribution) -> BaseDistribution:
    """Return a continuous distribution in place of one with a large grid.

    It reaches half a step beyond both ends, as Optuna's model does for a discrete parameter.
    """
    if not isinstance(distribution, IntDistribution | FloatDistribution):
        return distribution
    low, high, step = distribution.low, distribution.high, distribution.step
    if step is None or (high - low) / step < MAX_GRID:
        return distribution
    return FloatDistribution(low - step / 2, high + step / 2, log=distribution.log)


def on_grid(value: Any, distribution: Any) -> Any:
    """Return the value of the grid that is nearest to one of its relaxed distribution."""
    if relaxed(distribution) is distribution:
        return value
    low, high, step = distribution.low, distribution.high, distribution.step
    nearest = min(max(low + round((value - low) / step) * step, low), high)
    return int(nearest) if isinstance(distribution, IntDistribution) else float(nearest)

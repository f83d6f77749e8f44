"""Search spaces of the service, as Optuna's distributions have them."""

from dataclasses import replace

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from tuner.space import Categorical, Distribution, Float, Ordinal, to_distribution


def as_in_optuna(name: str, given: Distribution) -> Distribution:
    """Return a distribution with Optuna's upper end: the last value that its steps reach."""
    return replace(to_distribution(name, _like(given)), when=given.when)


def _like(given: Distribution) -> BaseDistribution:
    if isinstance(given, Categorical):
        return CategoricalDistribution(given.choices)
    if isinstance(given, Ordinal):
        return CategoricalDistribution(given.values)
    if isinstance(given, Float):
        return FloatDistribution(given.low, given.high, given.log, given.step)
    return IntDistribution(given.low, given.high, given.log, given.step)

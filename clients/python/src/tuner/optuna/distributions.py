"""Search spaces of the service, as Optuna's distributions have them."""

from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from tuner.space import Categorical, Distribution, Float, Ordinal, to_distribution


def as_in_optuna(name: str, given: Distribution) -> Distribution:
    """Return a distribution with Optuna's upper end: the last value that its steps reach."""
    if isinstance(given, Categorical):
        return to_distribution(name, CategoricalDistribution(given.choices))
    if isinstance(given, Ordinal):
        return to_distribution(name, CategoricalDistribution(given.values))
    if isinstance(given, Float):
        like = FloatDistribution(given.low, given.high, given.log, given.step)
        return to_distribution(name, like)
    return to_distribution(name, IntDistribution(given.low, given.high, given.log, given.step))

"""TPE's candidates: which is the best one, and which satisfy constraints between parameters."""

from collections.abc import Mapping

import numpy as np

from optuna_bridge.samplers.tpe.approximation import difference
from optuna_bridge.samplers.tpe.mixture import Mixture, Samples
from optuna_bridge.samplers.tpe.parzen_estimator import BlockwiseParzenEstimator
from optuna_bridge.space.parameter_constraints.constraints import ParameterConstraints

_ROUNDS = 4
_GROWTH = 4  # of the number of samples from round to round
_MAX_NUMBERS = 1_000_000  # that are drawn in a round


def best_candidate(samples: Samples, good: Mixture, bad: Mixture) -> int:
    """Return the position of the sample at which the good density exceeds the bad one most.

    It is Optuna's choice. An approximation decides, unless the best samples are so close that its
    error may matter; then their densities are computed as Optuna does.
    """
    approximate = difference(samples, good, bad)
    if approximate is not None:
        values = approximate.values
        close = np.flatnonzero(values >= values.max() - 2 * approximate.error)
        if all((of_param[close] == of_param[close[0]]).all() for of_param in samples.values()):
            return int(close[0])  # of equal samples, which have equal densities, the first one
    return best_by_optunas_formula(samples, good, bad)


def best_by_optunas_formula(samples: Samples, good: Mixture, bad: Mixture) -> int:
    """Return the position by densities that are equal to Optuna's to the bit."""
    densities = [BlockwiseParzenEstimator.of(each).log_pdf(samples) for each in (good, bad)]
    return int(np.argmax(densities[0] - densities[1]))


def feasible_samples(
    good: Mixture,
    rng: np.random.RandomState,
    n: int,
    known: Mapping[str, float],
    constraints: ParameterConstraints,
) -> Samples:
    """Draw n samples that satisfy the constraints; fewer if nearly none does.

    What is known of the other parameters counts, and of a fixed one instead of its sample. If no
    sample satisfies the constraints, those of the first round are returned.
    """
    rounds: list[Samples] = []
    size, n_found, most = n, 0, max(n, _MAX_NUMBERS // len(good.space.distributions))
    for _ in range(_ROUNDS):
        samples = good.sample(rng, min(size, most))
        columns = {**samples, **{name: np.array([value]) for name, value in known.items()}}
        holds = constraints.hold_at(columns, min(size, most))
        rounds.append({name: values[holds] for name, values in samples.items()})
        n_found += int(np.count_nonzero(holds))
        if n_found >= n:
            break
        if len(rounds) == 1:
            first = samples
        size *= _GROWTH
    if not n_found:
        return first
    return {name: np.concatenate([each[name] for each in rounds])[:n] for name in rounds[0]}

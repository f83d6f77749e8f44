"""Which of TPE's candidates is the best one."""

import numpy as np

from optuna_bridge.samplers.tpe.approximation import difference
from optuna_bridge.samplers.tpe.mixture import Mixture, Samples
from optuna_bridge.samplers.tpe.parzen_estimator import BlockwiseParzenEstimator


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

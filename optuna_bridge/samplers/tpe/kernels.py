"""The exact densities of one parameter's kernels: one for each observation, and the prior's."""

from functools import lru_cache

import numpy as np
from optuna.samplers._tpe import _truncnorm
from optuna.samplers._tpe.probability_distributions import _unique_inverse_2d

from optuna_bridge.samplers.tpe import truncated_normal
from optuna_bridge.samplers.tpe.mixture import Kernels


class CategoricalDensity:
    """The density of a categorical parameter's kernels, each with a weight for each choice.

    A kernel has one weight for the observed choice and another one for all the rest, both divided
    by their sum. So two numbers are kept for each kernel instead of one for each choice.
    """

    def __init__(
        self, observed: np.ndarray, n_choices: int, prior_weight: float, samples: np.ndarray
    ) -> None:
        """Prepare the density at samples.

        Args:
            observed: The indices of the observed choices; the prior's kernel, the last one, has
                `n_choices`, since it observed none.
            n_choices: The number of choices.
            prior_weight: The weight that is spread over the kernels.
            samples: The indices of choices.
        """
        n_kernels = len(observed)
        is_alone = n_kernels == 1
        rest = 1.0 / n_choices if is_alone else prior_weight / n_kernels
        sums = 1.0 if is_alone else sums_of_weights(n_choices, rest)[observed]
        drawn, self._positions = np.unique(samples.astype(np.int64), return_inverse=True)
        self._drawn, self._observed = drawn[:, np.newaxis], observed
        self._rest = np.broadcast_to(np.log(rest / sums), n_kernels)
        self._chosen = np.broadcast_to(np.log((rest + 1) / sums), n_kernels)

    def add_to(self, total: np.ndarray, block: slice) -> None:
        """Add the log densities to `total`, (samples, kernels of the block)."""
        is_chosen = self._observed[block] == self._drawn
        density = np.where(is_chosen, self._chosen[block], self._rest[block])
        total += density[self._positions]


@lru_cache(maxsize=2)
def sums_of_weights(n_choices: int, rest: float) -> np.ndarray:
    """Return the sum of a kernel's weights for each choice that it may have observed, and for none.

    It depends on the choice in the last bit, since NumPy adds in pairs.
    """
    weights = np.full((n_choices + 1, n_choices), rest)
    chosen = np.arange(n_choices)
    weights[chosen, chosen] += 1
    sums: np.ndarray = weights.sum(axis=1)
    return np.where(sums == 0, 1, sums)


class DiscreteDensity:
    """The density of a stepped parameter's kernels.

    It is the mass within half a step of the sample, divided by the mass of the range.
    """

    def __init__(self, kernels: Kernels, samples: np.ndarray) -> None:
        drawn, self._positions = np.unique(samples, return_inverse=True)
        mu, sigma, self._of_kernel = _unique_inverse_2d(kernels.mu, kernels.sigma)
        ends = drawn - kernels.step / 2, drawn + kernels.step / 2
        left, right = (np.log(each) if kernels.is_log else each for each in ends)
        low, high = kernels.lower, kernels.upper
        self._log_mass = truncated_normal.log_gauss_mass_unique(
            (left[:, np.newaxis] - mu) / sigma, (right[:, np.newaxis] - mu) / sigma
        )  # (drawn values, distinct kernels)
        self._log_range = truncated_normal.log_gauss_mass((low - mu) / sigma, (high - mu) / sigma)

    def add_to(self, total: np.ndarray, block: slice) -> None:
        """Add the log densities to `total`, (samples, kernels of the block)."""
        of_kernel = self._of_kernel[block]
        total += self._log_mass[:, of_kernel][self._positions]
        total -= self._log_range[of_kernel]


class ContinuousDensity:
    """The density of a continuous parameter's kernels, which are truncated normal."""

    def __init__(self, kernels: Kernels, samples: np.ndarray, n_central: int) -> None:
        x = np.log(samples) if kernels.is_log else samples
        low, high = kernels.lower, kernels.upper
        self._samples, self._mu, self._sigma = x[:, np.newaxis], kernels.mu, kernels.sigma
        self._low, self._high = low, high
        self._log_range = truncated_normal.log_gauss_mass(*standard_range(kernels), of=n_central)
        self._log_sigma = np.log(self._sigma)
        self._is_all_inside = bool(low < high and low <= x.min() and x.max() <= high)

    def add_to(self, total: np.ndarray, block: slice) -> None:
        """Add the log densities to `total`, (samples, kernels of the block).

        The operations are those of `_truncnorm.logpdf`, in the same order.
        """
        mu, sigma = self._mu[block], self._sigma[block]
        x = self._samples - mu
        x /= sigma
        out = x if self._is_all_inside else x.copy()
        np.square(out, out=out)
        out *= -0.5  # exact, like a negation and a division by 2
        out -= _truncnorm._norm_pdf_logC
        out -= self._log_range[block]
        out -= self._log_sigma[block]
        if self._is_all_inside:
            total += out
            return
        # Reached if rounding has moved a sample past a bound, or the range is empty.
        a, b = (self._low - mu) / sigma, (self._high - mu) / sigma
        cases = [np.broadcast_to(a == b, x.shape), (x < a) | (x > b)]
        total += np.select(cases, [np.nan, -np.inf], default=out)


def standard_range(kernels: Kernels) -> tuple[np.ndarray, np.ndarray]:
    """Return both ends of the parameter's range, in each kernel's standard deviations."""
    low, high = kernels.lower, kernels.upper
    return (low - kernels.mu) / kernels.sigma, (high - kernels.mu) / kernels.sigma

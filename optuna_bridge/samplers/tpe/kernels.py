"""The kernels of one parameter, one for each observation and one for the prior."""

from typing import Any

import numpy as np
from optuna.samplers._tpe import _truncnorm
from optuna.samplers._tpe.probability_distributions import _unique_inverse_2d

from optuna_bridge.samplers.tpe import truncated_normal


class CategoricalKernels:
    """Kernels of a categorical parameter, each with a weight for each choice.

    A kernel has one weight for the observed choice and another one for all the rest, both divided
    by their sum. So two numbers are kept for each kernel instead of one for each choice.
    """

    def __init__(self, observed: np.ndarray, sums: np.ndarray, prior_weight: float) -> None:
        """Make the kernels of the observed choices, and then the prior's.

        Args:
            observed: The indices of the observed choices.
            sums: From `sums_of_weights`.
            prior_weight: The weight that is spread over the kernels.
        """
        self._n_choices = len(sums) - 1
        # The prior's kernel observed no choice.
        self._observed = np.append(observed.astype(int), self._n_choices)
        n_kernels = len(self._observed)
        is_alone = n_kernels == 1
        rest = 1.0 / self._n_choices if is_alone else prior_weight / n_kernels
        self._sums = np.ones_like(sums) if is_alone else sums
        self._rest, self._chosen = rest / self._sums, (rest + 1) / self._sums

    def draw(self, active: np.ndarray, rng: np.random.RandomState) -> np.ndarray:
        """Return a choice of each of the active kernels."""
        observed = self._observed[active]
        quantiles = rng.rand(len(active))
        drawn = np.empty(len(active), dtype=int)
        for choice in np.unique(observed):
            weights = np.full(self._n_choices, self._rest[choice])
            if choice < self._n_choices:
                weights[choice] = self._chosen[choice]
            cumulative = np.cumsum(weights)
            cumulative[-1] = 1  # despite rounding errors
            of_choice = observed == choice
            drawn[of_choice] = np.searchsorted(cumulative, quantiles[of_choice])
        return drawn

    def at(self, samples: np.ndarray) -> "_CategoricalDensity":
        return _CategoricalDensity(
            self._observed, np.log(self._rest), np.log(self._chosen), samples
        )


def sums_of_weights(n_choices: int, n_observed: int, prior_weight: float) -> np.ndarray:
    """Return the sum of a kernel's weights for each choice that it may have observed, and for none.

    It depends on the choice in the last bit, since NumPy adds in pairs.
    """
    weights = np.full((n_choices + 1, n_choices), prior_weight / (n_observed + 1))
    chosen = np.arange(n_choices)
    weights[chosen, chosen] += 1
    sums: np.ndarray = weights.sum(axis=1)
    return np.where(sums == 0, 1, sums)


class _CategoricalDensity:
    def __init__(
        self, observed: np.ndarray, rest: np.ndarray, chosen: np.ndarray, samples: np.ndarray
    ) -> None:
        """Take the logarithms of the weights by the observed choice."""
        drawn, self._positions = np.unique(samples.astype(np.int64), return_inverse=True)
        self._drawn, self._observed = drawn[:, np.newaxis], observed
        self._rest, self._chosen = rest[observed], chosen[observed]

    def add_to(self, total: np.ndarray, block: slice) -> None:
        """Add the log densities to `total`, (samples, kernels of the block)."""
        is_chosen = self._observed[block] == self._drawn
        density = np.where(is_chosen, self._chosen[block], self._rest[block])
        total += density[self._positions]


class DiscreteDensity:
    """The density of a stepped parameter's kernels.

    It is the mass within half a step of the sample, divided by the mass of the range.
    """

    def __init__(self, kernels: Any, samples: np.ndarray) -> None:
        drawn, self._positions = np.unique(samples, return_inverse=True)
        mu, sigma, self._of_kernel = _unique_inverse_2d(kernels.mu, kernels.sigma)
        ends = drawn - kernels.step / 2, drawn + kernels.step / 2
        left, right = (np.log(each) if kernels.is_log else each for each in ends)
        low, high = kernels.adapted_low, kernels.adapted_high
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

    def __init__(self, kernels: Any, samples: np.ndarray, n_central: int) -> None:
        x = np.log(samples) if kernels.is_log else samples
        low, high = kernels.adapted_low, kernels.adapted_high
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


def standard_range(kernels: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return both ends of the parameter's range, in each kernel's standard deviations."""
    low, high = kernels.adapted_low, kernels.adapted_high
    return (low - kernels.mu) / kernels.sigma, (high - kernels.mu) / kernels.sigma

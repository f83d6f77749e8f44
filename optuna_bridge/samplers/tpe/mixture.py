"""A mixture of one product of kernels for each trial: its kernels, and samples from it."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.samplers._tpe.parzen_estimator import _ParzenEstimatorParameters

from optuna_bridge.samplers.tpe import truncated_normal
from optuna_bridge.samplers.tpe.numerical import Numerical, range_in_steps, range_of

# Numbers that are kept: of all kernels together, or else of some parameters at a time; 8 MB.
_MAX_KEPT = 1_000_000
_MAX_CHOICES_KEPT = 64

Samples = Mapping[str, np.ndarray]


class SampledSpace:
    """The parameters that are sampled together, apart by their kind."""

    def __init__(self, distributions: Mapping[str, BaseDistribution]) -> None:
        self.distributions = dict(distributions)
        self.n_choices = {
            name: len(each.choices)
            for name, each in distributions.items()
            if isinstance(each, CategoricalDistribution)
        }
        self.numerical = Numerical(distributions)
        numerical: list[Any] = [distributions[name] for name in self.numerical.names]
        self.ranges_in_steps = sum(range_in_steps(each) for each in numerical if each.step)

    def groups(self, n_kernels: int) -> list[Numerical]:
        """Return the numerical parameters in groups, of which the kernels fit into memory."""
        names = self.numerical.names
        size = max(1, _MAX_KEPT // n_kernels)
        if size >= len(names):
            return [self.numerical] if names else []
        some = (names[start : start + size] for start in range(0, len(names), size))
        return [Numerical({name: self.distributions[name] for name in each}) for each in some]


class Kernels(NamedTuple):
    """The kernels of a numerical parameter: their means and deviations, and their range."""

    mu: np.ndarray
    sigma: np.ndarray
    lower: float
    upper: float
    step: float
    is_log: bool


class Mixture:
    """The kernels of some trials, and the prior's, with the weight of each trial."""

    def __init__(
        self,
        space: SampledSpace,
        observations: Samples,
        parameters: _ParzenEstimatorParameters,
        predetermined_weights: np.ndarray | None = None,
    ) -> None:
        self.space, self._observations, self._parameters = space, observations, parameters
        n = self.n_observed = len(observations[next(iter(space.distributions))])
        weights = predetermined_weights
        if weights is None:
            weights = parameters.weights(n)
        weights = np.append(weights, parameters.prior_weight) if n else np.ones(1)
        self.weights: np.ndarray = weights / weights.sum()
        self._kept: tuple[np.ndarray, np.ndarray] | None = None

    @property
    def prior_weight(self) -> float:
        return self._parameters.prior_weight

    @property
    def clips(self) -> bool:
        """Whether the deviations of kernels have a lower bound, relative to the range."""
        return self._parameters.consider_magic_clip

    def kernels(self, group: Numerical) -> tuple[np.ndarray, np.ndarray]:
        """Return the means and the deviations of the kernels of a group of parameters."""
        if group is not self.space.numerical:
            return self._kernels(group)
        if self._kept is None:
            self._kept = self._kernels(group)
        return self._kept

    def _kernels(self, group: Numerical) -> tuple[np.ndarray, np.ndarray]:
        observed = np.array([self._observations[name] for name in group.names])
        return group.kernels(observed, self._parameters)

    def kernels_of(self, name: str) -> Kernels:
        """Return the kernels of one numerical parameter."""
        if self._kept is not None:
            row = self.space.numerical.names.index(name)
            mu, sigma = self._kept[0][row], self._kept[1][row]
        else:
            one = Numerical({name: self.space.distributions[name]})
            (mu,), (sigma,) = self._kernels(one)
        distribution: Any = self.space.distributions[name]
        step, (lower, upper) = distribution.step, range_of(distribution)
        return Kernels(mu, sigma, lower, upper, step or 0.0, distribution.log)

    def observed_choices(self, name: str) -> np.ndarray:
        """Return the index of the choice that each kernel observed; the prior's observed none."""
        observed = np.empty(self.n_observed + 1, dtype=int)
        observed[:-1], observed[-1] = self._observations[name], self.space.n_choices[name]
        return observed

    def sample(self, rng: np.random.RandomState, size: int) -> dict[str, np.ndarray]:
        """Draw samples: an array (size,) for each parameter.

        The operations are those of `_MixtureOfProductDistribution.sample`, in the same order, and
        the random numbers are those of `choice`, and of `rand` for each parameter.
        """
        n_choices, n_numerical = self.space.n_choices, len(self.space.numerical.names)
        chances = rng.random_sample((1 + len(n_choices) + n_numerical, size))
        cumulative = self.weights.cumsum()
        cumulative /= cumulative[-1]
        active = cumulative.searchsorted(chances[0], side="right")
        drawn = {
            name: self._draw_choices(name, active, chances[row])
            for row, name in enumerate(n_choices, 1)
        }
        if n_numerical:
            numerical = self.space.numerical
            groups = map(self.kernels, self.space.groups(self.n_observed + 1))
            of_active = [(mu[:, active], sigma[:, active]) for mu, sigma in groups]
            mu, sigma = map(np.concatenate, zip(*of_active, strict=True))
            values = truncated_normal.draw(numerical, mu, sigma, chances[1 + len(n_choices) :])
            drawn |= dict(zip(numerical.names, values, strict=True))
        return drawn

    def _draw_choices(self, name: str, active: np.ndarray, chances: np.ndarray) -> np.ndarray:
        """Return a choice of each of the active kernels."""
        n_choices, n = self.space.n_choices[name], self.n_observed
        observed = self.observed_choices(name)[active]
        if n_choices <= _MAX_CHOICES_KEPT:
            rows = _cumulative_rows(n_choices, n, self.prior_weight)[observed]
            return np.asarray((rows < chances[:, np.newaxis]).sum(axis=1), dtype=float)
        drawn = np.empty(len(active))
        for choice in np.unique(observed):
            row = _cumulative(choice_weights(n_choices, n, self.prior_weight, int(choice)))
            of_choice = observed == choice
            drawn[of_choice] = np.searchsorted(row, chances[of_choice])
        return drawn


def choice_weights(
    n_choices: int, n_observed: int, prior_weight: float, observed: int
) -> np.ndarray:
    """Return the weights of all choices in a kernel that observed one of them, or none."""
    n_kernels = n_observed + 1
    if n_observed == 0:
        return np.full(n_choices, 1.0 / n_choices)
    weights = np.full(n_choices, prior_weight / n_kernels)
    if observed < n_choices:
        weights[observed] += 1
    total = weights.sum()
    return weights / (total if total else 1)


def _cumulative(weights: np.ndarray) -> np.ndarray:
    cumulative = np.cumsum(weights)
    cumulative[-1] = 1  # despite rounding errors
    return cumulative


@lru_cache(maxsize=64)
def _cumulative_rows(n_choices: int, n_observed: int, prior_weight: float) -> np.ndarray:
    """Return the cumulative weights of the kernels of each observed choice, and of the prior's."""
    return np.array(
        [
            _cumulative(choice_weights(n_choices, n_observed, prior_weight, observed))
            for observed in range(n_choices + 1)
        ]
    )

"""The optimizers of CMA-ES: how they are built, and what a generation of them costs."""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import cmaes
import numpy as np
from optuna._transform import _SearchSpaceTransform
from optuna.distributions import BaseDistribution

_LEAST_SIGMA = 1e-150  # far below what changes a parameter; its square is still a number
_EPS = 1e-10  # as in Optuna


class _CachingCMA(cmaes.CMA):
    """The optimizer of `cmaes`, without a product of matrices for each sample.

    Near a bound, a suggestion takes up to ten samples for each parameter.
    """

    _scaled_axes: np.ndarray | None = None

    def _sample_solution(self) -> np.ndarray:
        axes, lengths = self._eigen_decomposition()  # kept until the next `tell`
        if self._scaled_axes is None:
            self._scaled_axes = axes.dot(np.diag(lengths))
        normal = self._rng.randn(self._n_dim)
        sample: np.ndarray = self._mean + self._sigma * self._scaled_axes.dot(normal)
        return sample

    def tell(self, solutions: list[tuple[np.ndarray, float]]) -> None:
        self._scaled_axes = None
        super().tell(solutions)


@dataclass(frozen=True)
class OptimizerOptions:
    """The options of the sampler that its optimizer depends on."""

    sigma0: float | None = None
    popsize: int | None = None
    use_separable_cma: bool = False
    with_margin: bool = False
    lr_adapt: bool = False


@dataclass(frozen=True)
class Generation:
    """The state of an optimizer after a number of generations.

    Attributes:
        number: The number of generations that it has learnt from.
        optimizer: It never changes: drawing and telling would, if only by rounding.
        just_told: The optimizer as it was left by the last generation, to draw from. It differs by
            rounding: half of its matrix is lost where Optuna stores it.
        parents: The ids of the trials of the last generation.
    """

    number: int
    optimizer: Any
    just_told: Any
    parents: tuple[int, ...] = ()

    @cached_property
    def _drawing(self) -> Any:
        """A copy to draw from, which keeps the axes of the distribution."""
        return deepcopy(self.optimizer)

    @property
    def population_size(self) -> int:
        size: int = self.optimizer.population_size
        return size

    @property
    def operations(self) -> int:
        """What telling it a generation costs, in units of 3 to 12 ns."""
        n, size = self.optimizer.dim, self.population_size
        transforming = 100_000 + 40 * n * size
        if isinstance(self.optimizer, cmaes.SepCMA):
            return transforming
        return transforming + n * n * (4 * n + 15 * size)

    def draw(self, seed: int, *, is_stored: bool) -> tuple[np.ndarray, np.ndarray | None]:
        """Return a point, and with margin what the optimizer has to be told instead of it.

        `is_stored` says whether stock Optuna would have read the optimizer from a trial.
        """
        optimizer = self._drawing if is_stored else self.just_told
        optimizer.reseed_rng(seed)
        drawn = optimizer.ask()
        return drawn if isinstance(self.optimizer, cmaes.CMAwM) else (drawn, None)


def first_generation(
    distributions: dict[str, BaseDistribution],
    transform: _SearchSpaceTransform,
    options: OptimizerOptions,
) -> Generation:
    """Return the state that has learnt nothing. Replaces `CmaEsSampler._init_optimizer`."""
    bounds = transform.bounds
    low, high = bounds[:, 0], bounds[:, 1]
    sigma = np.min((high - low) / 6) if options.sigma0 is None else options.sigma0
    arguments: dict[str, Any] = {
        "mean": low + (high - low) / 2,
        "sigma": max(sigma, _EPS),
        "bounds": bounds,
        "seed": 0,  # seeded anew for each trial
        "n_max_resampling": 10 * len(bounds),
        "population_size": options.popsize,
    }
    if options.use_separable_cma and len(bounds) > 1:
        return _first(cmaes.SepCMA(**arguments))
    if options.with_margin:
        steps = np.array([_step(each) for each in distributions.values()], dtype=float)
        optimizer = cmaes.CMAwM(**arguments, steps=steps)
        optimizer._cma = _CachingCMA(**arguments)
        return _first(optimizer)
    return _first(_CachingCMA(**arguments, lr_adapt=options.lr_adapt))


def _first(optimizer: Any) -> Generation:
    return Generation(0, optimizer, just_told=deepcopy(optimizer))


def next_generation(
    last: Generation, first: Generation, parents: Sequence[int], solutions: list[tuple[Any, float]]
) -> Generation:
    """Return the state after one more generation.

    The result starts again from the `first` one if its step size has become too small to compute
    with, which it does thousands of generations after it has converged.

    Args:
        last: The state before.
        first: The state that has learnt nothing.
        parents: The ids of the solutions' trials, by their numbers.
        solutions: The point and the loss of each, in the same order, which decides ties.
    """
    told = deepcopy(last.optimizer)
    with np.errstate(all="ignore"):
        told.tell(list(solutions))
    if _is_spent(told):
        told = deepcopy(first.optimizer)
    # Copied as by pickling, which keeps half of a symmetric matrix.
    return Generation(last.number + 1, deepcopy(told), told, tuple(parents))


def _step(distribution: Any) -> float:
    """Return a parameter's step as a share of its range; 0 for a continuous one."""
    if distribution.step is None or distribution.log:
        return 0.0
    share: float = distribution.step / (distribution.high - distribution.low)
    return share


def _is_spent(optimizer: Any) -> bool:
    inner = optimizer._cma if isinstance(optimizer, cmaes.CMAwM) else optimizer
    numbers = (inner._sigma, inner._mean, inner._C, inner._p_sigma, inner._pc)
    return inner._sigma < _LEAST_SIGMA or not all(np.isfinite(each).all() for each in numbers)

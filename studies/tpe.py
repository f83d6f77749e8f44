"""Optuna's TPE with the same suggestions in a fraction of its time.

Stock TPE loops over all trials in Python, and computes its densities in arrays far larger than a
processor's cache. Where the storage keeps columns (`TrialColumns`), this one reads those. What it
computes is the same to the bit, which the tests prove against stock Optuna; so all that decides
is left to Optuna's own functions. On any other storage it is stock TPE.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple, cast

import numpy as np
from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.samplers import TPESampler
from optuna.samplers._tpe import _truncnorm
from optuna.samplers._tpe.parzen_estimator import _ParzenEstimator
from optuna.samplers._tpe.probability_distributions import (
    _BatchedCategoricalDistributions,
    _log_gauss_mass_unique,
    _unique_inverse_2d,
)
from optuna.samplers._tpe.sampler import (
    _get_reference_point,
    _solve_hssp_with_cache,
    default_gamma,
    default_gamma_multiobjective,
)
from optuna.study import StudyDirection
from optuna.study._multi_objective import _fast_non_domination_rank
from optuna.trial import FrozenTrial, TrialState

from studies.columns import ColumnStorage, TrialColumns

_BLOCK = 1024  # kernels at a time: what is computed of them stays in the processor's cache
# numpy sums up to so many numbers in the order of `_sum`, and more by halves.
_MAX_SUMMANDS = 128


class ColumnTPESampler(TPESampler):
    """TPE over a `ColumnStorage`; the storage's study has one search space for all its trials."""

    def __init__(self, distributions: dict[str, BaseDistribution], **options: Any) -> None:
        super().__init__(**options)
        self._distributions = distributions
        self._parzen_estimator_cls = BlockwiseParzenEstimator
        self._last_split: tuple[Any, np.ndarray] | None = None

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """The parameters that all finished trials have, by name, without the constant ones."""
        columns = _columns(study)
        if columns is None or self._group or not self._is_multivariate(study):
            return super().infer_relative_search_space(study, trial)
        if columns.n_finished == 0:
            return {}
        shared = zip(columns.names, columns.in_all_finished, strict=True)
        found = {name: self._distributions[name] for name, is_shared in shared if is_shared}
        return {name: each for name, each in sorted(found.items()) if not each.single()}

    def _sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        columns = _columns(study)
        if columns is None:
            return super()._sample_relative(study, trial, search_space)
        if not search_space or columns.n_finished < self._n_startup_trials:
            return {}
        return self._sample(study, trial, search_space)

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        columns = _columns(study)
        if columns is None:
            return super().sample_independent(study, trial, param_name, param_distribution)
        if columns.n_finished < self._n_startup_trials:
            return self._random_sampler.sample_independent(
                study, trial, param_name, param_distribution
            )
        return self._sample(study, trial, {param_name: param_distribution})[param_name]

    def _sample(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        columns = _columns(study)
        if columns is None:
            return super()._sample(study, trial, search_space)
        below, above = self._split(study, columns)
        observed = columns.internal_params[:, [columns.names.index(name) for name in search_space]]
        above_observed = observed[above]
        if self._constant_liar:
            above_observed = self._with_running(
                study, columns, trial, search_space, observed, above
            )
        mpe_below = self._estimator(search_space, observed[below], study._is_multi_objective())
        mpe_above = self._estimator(search_space, above_observed, False)
        samples = mpe_below.sample(self._rng.rng, self._n_ei_candidates)
        acquisition = self._compute_acquisition_func(samples, mpe_below, mpe_above)
        best = TPESampler._compare(samples, acquisition)
        return {name: each.to_external_repr(best[name]) for name, each in search_space.items()}

    def _estimator(
        self, search_space: dict[str, BaseDistribution], observed: np.ndarray, is_weighted: bool
    ) -> _ParzenEstimator:
        """The density of what was observed: (trials, parameters); a trial that lacks one is out."""
        full = observed[~np.isnan(observed).any(axis=1)]
        weights = np.ones(len(full)) if is_weighted else None
        observations = dict(zip(search_space, full.T, strict=True))
        return self._parzen_estimator_cls(
            observations, search_space, self._parzen_estimator_parameters, weights
        )

    def _with_running(
        self,
        study: Study,
        columns: TrialColumns,
        trial: FrozenTrial,
        search_space: dict[str, BaseDistribution],
        observed: np.ndarray,
        above: np.ndarray,
    ) -> np.ndarray:
        """What was observed above, and the points of the running trials, by number."""
        storage = cast(ColumnStorage, study._storage)
        running = np.flatnonzero(columns.states[: columns.n] == TrialState.RUNNING.value)
        drafts = [each for each in storage.drafts() if each.number != trial.number]
        points = np.array([self._point(each, study, search_space) for each in drafts])
        numbers = np.concatenate([above, running[running != trial.number]])
        rows = np.concatenate([observed[numbers], points.reshape(-1, len(search_space))])
        order = np.concatenate([numbers, [each.number for each in drafts]])
        return rows[np.argsort(order, kind="stable")]

    def _point(
        self, draft: FrozenTrial, study: Study, search_space: dict[str, BaseDistribution]
    ) -> list[float]:
        """The draft's parameters in the internal representation, NaN where it has none yet."""
        params = self._get_params(draft, study)
        return [
            each.to_internal_repr(params[name]) if name in params else np.nan
            for name, each in search_space.items()
        ]

    # How trials are split into good and bad ones -------------------------------------------

    def _split(self, study: Study, columns: TrialColumns) -> tuple[np.ndarray, np.ndarray]:
        """The numbers of the finished trials below and above, both rising."""
        finished = columns.n, columns.n_finished
        if self._last_split is None or self._last_split[0] != finished:
            self._last_split = finished, self._best(study, columns)
        best = self._last_split[1]
        is_below = np.zeros(columns.n, dtype=bool)
        is_below[best] = True
        states = columns.states[: columns.n]
        is_finished = (states == TrialState.COMPLETE.value) | (states == TrialState.PRUNED.value)
        return np.flatnonzero(is_below), np.flatnonzero(is_finished & ~is_below)

    def _best(self, study: Study, columns: TrialColumns) -> np.ndarray:
        """The numbers of the best trials: complete ones first, then pruned, then infeasible."""
        if self._gamma is None:
            is_multi = study._is_multi_objective()
            self._gamma = default_gamma_multiobjective if is_multi else default_gamma
        n_below = self._gamma(columns.n_finished)
        states, feasible = columns.states[: columns.n], columns.violations[: columns.n] <= 0
        is_complete = states == TrialState.COMPLETE.value
        is_pruned = states == TrialState.PRUNED.value
        best: list[np.ndarray] = []
        for numbers, ranked in (
            (np.flatnonzero(is_complete & feasible), _best_complete),
            (np.flatnonzero(is_pruned & feasible), _best_pruned),
            (np.flatnonzero((is_complete | is_pruned) & ~feasible), _least_infeasible),
        ):
            n = min(n_below, len(numbers))
            best.append(numbers[ranked(study, columns, numbers, n)])
            n_below -= n
        return np.concatenate(best)


def _columns(study: Study) -> TrialColumns | None:
    return getattr(study._storage, "columns", None)


def _best_complete(study: Study, columns: TrialColumns, numbers: np.ndarray, n: int) -> np.ndarray:
    """The positions of the n best; of one objective's equal ones the first."""
    signs = [-1.0 if each == StudyDirection.MAXIMIZE else 1.0 for each in study.directions]
    losses = columns.values[numbers] * signs
    if len(signs) == 1:
        return np.argsort(losses[:, 0], kind="stable")[:n]
    if n == 0 or n == len(numbers):
        return np.arange(n)
    return _best_of_several_objectives(losses, n)


def _best_of_several_objectives(losses: np.ndarray, n: int) -> np.ndarray:
    """The positions of the n best of `losses` (trials, objectives), as Optuna splits them.

    Fronts are taken whole while they fit; of the next one, those that make up the largest
    hypervolume.
    """
    ranks = _fast_non_domination_rank(losses, n_below=n)
    _, sizes = np.unique(ranks, return_counts=True)
    n_whole = int(np.count_nonzero(np.cumsum(sizes) <= n))
    best = np.flatnonzero(ranks < n_whole)
    if len(best) == n:
        return best
    tied = np.flatnonzero(ranks == n_whole)
    reference = _get_reference_point(losses[tied])
    chosen = _solve_hssp_with_cache(
        tuple(losses[tied].ravel()), tuple(tied), n - len(best), tuple(reference)
    )
    return np.append(best, chosen)


def _best_pruned(study: Study, columns: TrialColumns, numbers: np.ndarray, n: int) -> np.ndarray:
    """Those that came furthest, then those with the best last value; NaN is the worst."""
    steps, values = columns.last_steps[numbers], columns.last_step_values[numbers]
    has_steps = steps >= 0
    if study.directions[0] == StudyDirection.MAXIMIZE:
        values = -values
    values = np.where(np.isnan(values), np.where(has_steps, np.inf, 0.0), values)
    return np.lexsort((values, np.where(has_steps, -steps, 1)))[:n]


def _least_infeasible(
    study: Study, columns: TrialColumns, numbers: np.ndarray, n: int
) -> np.ndarray:
    return np.argsort(columns.violations[numbers], kind="stable")[:n]


# The density ------------------------------------------------------------------------------


class BlockwiseParzenEstimator(_ParzenEstimator):
    """Optuna's mixture of products of kernels, one for each trial, computed in blocks of them."""

    def log_pdf(self, samples_dict: dict[str, np.ndarray]) -> np.ndarray:
        """The log density at each sample, (samples,)."""
        samples = self._transform(samples_dict)
        weights, distributions = self._mixture_distribution
        continuous = [
            _Kernels.of(kernels, samples[:, i])
            for i, kernels in enumerate(distributions)
            if not isinstance(kernels, _BatchedCategoricalDistributions) and kernels.step == 0.0
        ]
        if len(continuous) > _MAX_SUMMANDS:
            return super().log_pdf(samples_dict)
        log_pdf = np.zeros((len(samples), len(weights)))  # of each sample under each kernel
        for i, kernels in enumerate(distributions):
            if isinstance(kernels, _BatchedCategoricalDistributions):
                log_pdf += _of_choices(kernels.weights, samples[:, i])
            elif kernels.step != 0.0:
                _add_discrete(log_pdf, kernels, samples[:, i])
        for start in range(0, len(weights), _BLOCK) if continuous else ():
            block = slice(start, start + _BLOCK)
            log_pdf[:, block] += _sum([kernels.log_pdf(block) for kernels in continuous])
        log_pdf += np.log(weights)
        highest = log_pdf.max(axis=1)
        highest[np.isneginf(highest)] = 0  # -inf less -inf were NaN
        log_pdf -= highest[:, np.newaxis]
        with np.errstate(divide="ignore"):  # the log of 0
            return np.log(np.exp(log_pdf, out=log_pdf).sum(axis=1)) + highest


class _Kernels(NamedTuple):
    """Truncated normal kernels of one parameter, and the samples."""

    samples: np.ndarray  # (samples, 1)
    mu: np.ndarray  # (kernels,), like the rest
    sigma: np.ndarray
    log_mass: np.ndarray
    log_sigma: np.ndarray
    low: float
    high: float
    all_inside: bool

    @classmethod
    def of(cls, kernels: Any, samples: np.ndarray) -> "_Kernels":
        x = np.log(samples) if kernels.is_log else samples
        low, high = kernels.adapted_low, kernels.adapted_high
        return cls(
            x[:, np.newaxis],
            kernels.mu,
            kernels.sigma,
            _truncnorm._log_gauss_mass(
                (low - kernels.mu) / kernels.sigma, (high - kernels.mu) / kernels.sigma
            ),
            np.log(kernels.sigma),
            low,
            high,
            all_inside=bool(low < high and low <= x.min() and x.max() <= high),
        )

    def log_pdf(self, block: slice) -> np.ndarray:
        """(samples, kernels of the block); the operations of `_truncnorm.logpdf` in its order."""
        mu, sigma = self.mu[block], self.sigma[block]
        x = self.samples - mu
        x /= sigma
        out = x**2
        np.negative(out, out=out)
        out /= 2.0
        out -= _truncnorm._norm_pdf_logC
        out -= self.log_mass[block]
        out -= self.log_sigma[block]
        if not self.all_inside:  # rounding has moved one past a bound
            a, b = (self.low - mu) / sigma, (self.high - mu) / sigma
            cases = [np.broadcast_to(a == b, x.shape), (x < a) | (x > b)]
            out = np.select(cases, [np.nan, -np.inf], default=out)
        return out


def _of_choices(weights: np.ndarray, samples: np.ndarray) -> np.ndarray:
    """Categorical kernels: weights (kernels, choices) and samples as indices of choices."""
    drawn, positions = np.unique(samples.astype(np.int64), return_inverse=True)
    return np.log(weights[:, drawn].T)[positions]


def _add_discrete(log_pdf: np.ndarray, kernels: Any, samples: np.ndarray) -> None:
    """Add stepped kernels: the mass within half a step of each sample, over that of the range."""
    drawn, positions = np.unique(samples, return_inverse=True)
    mu, sigma, of_kernel = _unique_inverse_2d(kernels.mu, kernels.sigma)
    ends = drawn - kernels.step / 2, drawn + kernels.step / 2
    left, right = (np.log(each) if kernels.is_log else each for each in ends)
    low, high = kernels.adapted_low, kernels.adapted_high
    mass = _log_gauss_mass_unique(
        (left[:, np.newaxis] - mu) / sigma, (right[:, np.newaxis] - mu) / sigma
    )
    log_pdf += mass[:, of_kernel][positions]
    log_pdf -= _truncnorm._log_gauss_mass((low - mu) / sigma, (high - mu) / sigma)[of_kernel]


def _sum(terms: Sequence[np.ndarray]) -> np.ndarray:
    """The sum in the order in which numpy adds up the last axis of an array.

    https://github.com/numpy/numpy/blob/main/numpy/_core/src/umath/loops_utils.h.src
    """
    if len(terms) < 8:
        return _one_by_one(terms)
    whole = len(terms) // 8 * 8
    r = [_one_by_one(terms[i:whole:8]) for i in range(8)]
    pairs = ((r[0] + r[1]) + (r[2] + r[3])) + ((r[4] + r[5]) + (r[6] + r[7]))
    return _one_by_one([pairs, *terms[whole:]])


def _one_by_one(terms: Sequence[np.ndarray]) -> np.ndarray:
    total = terms[0]
    for term in terms[1:]:
        total = total + term
    return total

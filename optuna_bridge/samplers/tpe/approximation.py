"""How far the good density of TPE exceeds the bad one, nearly exact and quickly.

Optuna's formula has to be computed operation by operation to be equal to the bit. But of a
candidate's densities, it only matters whether their difference is the greatest. Here those of both
mixtures are computed together, their squares as one product of matrices, with a bound of the error.
"""

from typing import NamedTuple

import numpy as np

from optuna_bridge.samplers.tpe.mixture import Mixture, SampledSpace, Samples
from optuna_bridge.samplers.tpe.normal_table import log_mass, log_mass_around
from optuna_bridge.samplers.tpe.numerical import Numerical

_FAR = 8.7  # in standard deviations; beyond it the probability is less than 2e-18
_MANY = 400  # kernels; of more than these, equal ones are computed once
_FEW_CHOICES = 16  # which are compared by a product of matrices
_BLOCK = 200_000  # numbers at a time
# The squares of a parameter add up to 5,000 at most, since a deviation is a hundredth of the range
# or more; the error of a sum grows with the number of its terms, too.
_ERROR_OF_SQUARES = 1e-11  # times the parameters squared; twice what rounding may add up to
_ERROR_OF_STEPS = 1e-10  # of a stepped parameter, divided by the least step's share of the range
_MAX_ERROR = 0.01  # beyond it, candidates are rarely further apart
_ERROR_OF_SUMS = 1e-8  # of all exponentials and logarithms, with much to spare


class Difference(NamedTuple):
    """By how much the logarithm of a density exceeds another one's at samples, nearly.

    Attributes:
        values: (samples,).
        error: The bound of their differences to what Optuna computes.
    """

    values: np.ndarray
    error: float


def difference(samples: Samples, good: Mixture, bad: Mixture) -> Difference | None:
    """Return by how much the good density exceeds the bad one; None if it is not approximated."""
    error = _error(good.space)
    if error > _MAX_ERROR or not (good.clips and bad.clips):
        return None
    n_samples = len(next(iter(samples.values())))
    weights = np.concatenate([good.weights, bad.weights])
    with np.errstate(all="ignore"):  # what is not finite is not approximated
        log_pdf = np.empty((n_samples, len(weights)))
        log_pdf[:] = np.log(weights)
        for group in good.space.groups(len(weights)):
            if not _add_numerical(log_pdf, group, samples, good, bad):
                return None
        _add_choices(log_pdf, samples, good, bad)
        n_good = len(good.weights)
        values = _log_sum_exp(log_pdf[:, :n_good]) - _log_sum_exp(log_pdf[:, n_good:])
    return Difference(values, error) if np.isfinite(values).all() else None


def _error(space: SampledSpace) -> float:
    """Return the bound of the error of all parameters together."""
    n_continuous = len(space.numerical.continuous_rows)
    of_squares = _ERROR_OF_SQUARES * n_continuous * len(space.distributions)
    return _ERROR_OF_SUMS + of_squares + _ERROR_OF_STEPS * space.ranges_in_steps


def _log_sum_exp(log_pdf: np.ndarray) -> np.ndarray:
    highest = log_pdf.max(axis=1, keepdims=True)
    log_pdf -= highest
    total: np.ndarray = np.exp(log_pdf, out=log_pdf).sum(axis=1)
    return np.log(total) + highest[:, 0]


def _add_numerical(
    log_pdf: np.ndarray, group: Numerical, samples: Samples, good: Mixture, bad: Mixture
) -> bool:
    """Add the log densities of numerical parameters.

    Return whether all numbers are within the range, without which the error has no bound.
    """
    both = zip(good.kernels(group), bad.kernels(group), strict=True)
    mu, sigma = (np.concatenate(each, axis=1) for each in both)
    x = np.array([samples[name] for name in group.names])
    if not (_are_inside(group, mu) and _are_inside(group, group.in_logarithms(x))):
        return False
    if (rows := group.continuous_rows).size:
        _add_continuous(log_pdf, group.continuous, x[rows], mu[rows], sigma[rows])
    if (rows := group.stepped_rows).size:
        _add_stepped(log_pdf, group.stepped, x[rows], mu[rows], sigma[rows])
    return True


def _are_inside(group: Numerical, x: np.ndarray) -> bool:
    low, high = x.min(axis=1, keepdims=True), x.max(axis=1, keepdims=True)
    return bool(((low >= group.lower) & (high <= group.upper)).all())


def _add_continuous(
    log_pdf: np.ndarray, group: Numerical, x: np.ndarray, mu: np.ndarray, sigma: np.ndarray
) -> None:
    """Add -(x - mu)² / 2 sigma², in units of the range, and what does not depend on x."""
    centre, width = (group.lower + group.upper) / 2, group.upper - group.lower
    x = (group.in_logarithms(x) - centre) / width
    constant = _log_range(group, mu, sigma)
    constant += np.log(sigma)
    mu, sigma = (mu - centre) / width, sigma / width
    weight = 0.5 / (sigma * sigma)
    linear = mu * weight
    constant += mu * linear
    powers, factors = np.concatenate([x * x, x]), np.concatenate([-weight, 2 * linear])
    log_pdf += powers.T @ factors
    log_pdf -= constant.sum(axis=0)


def _log_range(group: Numerical, mu: np.ndarray, sigma: np.ndarray) -> np.ndarray:
    """Return the logarithm of the probability that each kernel has within the range."""
    a, b = (group.lower - mu) / sigma, (group.upper - mu) / sigma
    out = np.zeros_like(a)
    is_near = (a > -_FAR) | (b < _FAR)
    out[is_near] = log_mass_around(a[is_near], b[is_near])
    return out


def _add_stepped(
    log_pdf: np.ndarray, group: Numerical, x: np.ndarray, mu: np.ndarray, sigma: np.ndarray
) -> None:
    """Add the logarithms of the probability within half a step."""
    half = group.step / 2
    left, right = group.in_logarithms(x - half), group.in_logarithms(x + half)
    n_kernels = log_pdf.shape[1]
    size = 1 if n_kernels > _MANY else max(1, _BLOCK // log_pdf.size)
    for start in range(0, len(mu), size):
        rows = slice(start, start + size)
        some = group if size >= len(mu) else group.part(rows)
        if n_kernels > _MANY:
            first, place = _distinct(mu[start], sigma[start])
            kernels = mu[rows, first], sigma[rows, first]
            found = _log_masses(some, left[rows], right[rows], *kernels)[0]
            log_pdf += found.take(place, axis=1)
        else:
            log_pdf += _log_masses(some, left[rows], right[rows], mu[rows], sigma[rows]).sum(axis=0)


def _distinct(mu: np.ndarray, sigma: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the positions of the distinct pairs, and the place among them of each pair.

    Pairs are sorted by a sum in which they hardly coincide; if they do, all count as distinct.
    """
    mixed = mu + sigma * np.pi
    order = mixed.argsort()
    differs = np.diff(mixed[order]) != 0
    by_both = (np.diff(mu[order]) != 0) | (np.diff(sigma[order]) != 0)
    if (differs != by_both).any():
        return np.arange(len(mu)), np.arange(len(mu))
    place = np.zeros(len(mu), dtype=int)
    place[order[1:]] = np.cumsum(differs)
    return order[np.append(0, np.flatnonzero(differs) + 1)], place


def _log_masses(
    group: Numerical, left: np.ndarray, right: np.ndarray, mu: np.ndarray, sigma: np.ndarray
) -> np.ndarray:
    """Return the logarithm of the probability from `left` to `right` within the range.

    Returns:
        (parameters, samples, kernels)
    """
    out = np.empty((*left.shape, mu.shape[1]))
    size = max(1, _BLOCK // left.size)
    for start in range(0, mu.shape[1], size):
        block = slice(start, start + size)
        mean, deviation = mu[:, np.newaxis, block], sigma[:, np.newaxis, block]
        a, b = ((end[:, :, np.newaxis] - mean) / deviation for end in (left, right))
        out[:, :, block] = log_mass(a, b)
    out -= _log_range(group, mu, sigma)[:, np.newaxis]
    return out


def _add_choices(log_pdf: np.ndarray, samples: Samples, good: Mixture, bad: Mixture) -> None:
    """Add the log densities of categorical parameters."""
    gains: dict[int, np.ndarray] = {}  # of the observed choice over the others, by kernel
    for name, n_choices in good.space.n_choices.items():
        if n_choices not in gains:
            logs = [_logs(n_choices, each) for each in (good, bad)]
            gains[n_choices] = np.concatenate([gain for gain, _ in logs])
            rest = np.concatenate([others for _, others in logs])
            log_pdf += rest * list(good.space.n_choices.values()).count(n_choices)
        observed = np.concatenate([each.observed_choices(name) for each in (good, bad)])
        drawn = samples[name][:, np.newaxis]
        if n_choices <= _FEW_CHOICES:
            choices = np.arange(n_choices)
            log_pdf += (drawn == choices) @ (
                (observed == choices[:, np.newaxis]) * gains[n_choices]
            )
        else:
            log_pdf += (observed == drawn) * gains[n_choices]


def _logs(n_choices: int, mixture: Mixture) -> tuple[np.ndarray, np.ndarray]:
    """Return the logarithms of the weight of the choices that a kernel did not observe, by kernel.

    Returns:
        By how much that of the observed choice exceeds it, and it.
    """
    n_kernels = len(mixture.weights)
    rest = mixture.prior_weight / n_kernels
    others = np.full(n_kernels, np.log(rest / (1 + n_choices * rest)))
    others[-1] = -np.log(n_choices)  # the prior's
    return np.full(n_kernels, np.log((1 + rest) / rest)), others

"""Optuna's truncated normal distribution, identical to the bit, on whole arrays.

Optuna computes each normal probability by a Python function of one number. Here the C functions
that it calls are mapped over whole arrays, and the rest of Optuna's code is run on top of them.
NumPy's own `log` is not used, since it differs from C's in the last bit.
"""

import math
import sys
from collections.abc import Callable
from itertools import count, repeat
from types import SimpleNamespace

import numpy as np
from optuna.samplers._tpe import _truncnorm, probability_distributions
from optuna.samplers._tpe._erf import _erf_right_non_big

from optuna_bridge.samplers.substitution import with_parts
from optuna_bridge.samplers.tpe.numerical import Numerical

_SQRT_2 = 2**0.5
_TURN = 1 / 2**0.5
_ONE = 6  # for arguments from here on, erf is 1
_FAR = 6.1 * _SQRT_2  # in standard deviations; beyond it the probability is 0 or 1
MANY = 2000  # from this array size on, Optuna uses polynomials for erf: the last bits differ


def _each(function: Callable[[float], float], x: np.ndarray) -> np.ndarray:
    return np.fromiter(map(function, x.ravel().tolist()), float, x.size).reshape(x.shape)


def ndtr(a: np.ndarray, of: int) -> np.ndarray:
    """Return P(X < a), as `_truncnorm._ndtr` computes it in an array with `of` elements."""
    x = a / _SQRT_2
    if of < MANY:
        return 0.5 + 0.5 * _each(math.erf, x)
    out = np.where(x < 0, 0.0, 1.0)
    is_near = ~(np.abs(x) >= _ONE)  # includes NaN, which stays NaN
    near = x[is_near]
    out[is_near] = 0.5 + 0.5 * (np.sign(near) * _erf_right_non_big(np.abs(near)))
    return out


def log_ndtr(a: np.ndarray) -> np.ndarray:
    """Return log P(X < a), as `_truncnorm._log_ndtr` does."""
    is_near = (a > -20) & (a <= 6)
    if is_near.all():
        return _log_ndtr_near(a)
    out = np.empty_like(a)
    out[is_near] = _log_ndtr_near(a[is_near])
    is_high = a > 6
    out[is_high] = -0.5 * _each(math.erfc, a[is_high] / _SQRT_2)
    is_far = ~(is_near | is_high)  # includes NaN
    out[is_far] = _log_ndtr_far(a[is_far])
    return out


def _log_ndtr_near(a: np.ndarray) -> np.ndarray:
    """Return log P(X < a) for a from -20 to 6, where `_truncnorm._ndtr_single` has three cases."""
    erf, erfc, log = math.erf, math.erfc, math.log
    found = [
        log(
            0.5 * erfc(-x)
            if x < -_TURN
            else 0.5 + 0.5 * erf(x)
            if x < _TURN
            else 1.0 - 0.5 * erfc(x)
        )
        for x in (a / _SQRT_2).ravel().tolist()
    ]
    return np.array(found).reshape(a.shape)


def _log_ndtr_far(a: np.ndarray) -> np.ndarray:
    """Return log P(X < a) for a below -20, by the series of `_truncnorm._log_ndtr_single`."""
    squares = np.fromiter(map(math.pow, a.tolist(), repeat(2.0)), float, a.size)
    left = -0.5 * squares - _each(math.log, -a) - 0.5 * math.log(2 * math.pi)
    last, total, factor = np.zeros_like(a), np.ones_like(a), np.ones_like(a)
    numerator = 1.0
    for i in count(1):
        is_open = np.abs(last - total) > sys.float_info.epsilon
        if not is_open.any():
            break
        factor *= 1 / squares
        numerator *= -(2 * i - 1)
        last = np.where(is_open, total, last)
        total = np.where(is_open, total + numerator * factor, total)
    return left + _each(math.log, total)


def log_gauss_mass(a: np.ndarray, b: np.ndarray, of: int | None = None) -> np.ndarray:
    """Return the logarithm of the probability of [a, b], as `_truncnorm._log_gauss_mass` does.

    `of` is the number of those [a, b] around 0 in Optuna's array, of which a and b may be a part.
    """
    if not np.all((a <= 0) & (b > 0)):
        return _any_gauss_mass(a, b, of)
    # The mean lies within, as for nearly all kernels, and mostly so far from both bounds that the
    # probability is 1.
    of = a.size if of is None else of
    is_near = (a > -_FAR) | (b < _FAR)
    out = np.zeros_like(a)
    near_a, near_b = a[is_near], b[is_near]
    out[is_near] = np.log1p(-ndtr(near_a, of) - ndtr(-near_b, of))
    return out


def n_central(a: np.ndarray, b: np.ndarray) -> int:
    """Return how many [a, b] are around 0, as `_truncnorm._log_gauss_mass` sorts them."""
    return int(np.count_nonzero(~((b <= 0) | (a > 0))))


def _any_gauss_mass(a: np.ndarray, b: np.ndarray, of: int | None) -> np.ndarray:
    mass = with_parts(
        _truncnorm._log_gauss_mass,
        _log_ndtr=log_ndtr,
        _ndtr=lambda x: ndtr(x, of=x.size if of is None else of),
    )
    result: np.ndarray = mass(a, b)
    return result


_quantile = with_parts(
    _truncnorm.ppf,
    _log_ndtr=log_ndtr,
    _log_gauss_mass=log_gauss_mass,
    _ndtri_exp=with_parts(_truncnorm._ndtri_exp, _log_ndtr=log_ndtr),
)

# `log_gauss_mass` for arrays with many equal pairs (a, b): each distinct pair is computed once.
log_gauss_mass_unique = with_parts(
    probability_distributions._log_gauss_mass_unique,
    _truncnorm=SimpleNamespace(_log_gauss_mass=log_gauss_mass),
)


def draw(
    numerical: Numerical, mu: np.ndarray, sigma: np.ndarray, chances: np.ndarray
) -> np.ndarray:
    """Return the values of numerical parameters, (parameters, kernels), at random numbers.

    The operations are those of `_truncnorm.rvs` and `_MixtureOfProductDistribution.sample`.

    Args:
        numerical: The parameters.
        mu: The mean of a kernel for each value.
        sigma: Its deviation.
        chances: Random numbers from 0 to 1.
    """
    a, b = (numerical.lower - mu) / sigma, (numerical.upper - mu) / sigma
    values: np.ndarray = _quantile(chances, a, b) * sigma + mu
    for row in numerical.log_rows:
        np.exp(values[row], out=values[row])
    if (rows := numerical.stepped_rows).size:
        low, high, step = numerical.low[rows], numerical.high[rows], numerical.step[rows]
        on_steps = low + np.round((values[rows] - low) / step) * step
        values[rows] = np.minimum(np.maximum(on_steps, low), high)
    return values

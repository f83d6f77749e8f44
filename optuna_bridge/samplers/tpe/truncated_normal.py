"""Optuna's truncated normal distribution, identical to the bit, on whole arrays.

Optuna computes each normal probability by a Python function of one number. Here the C functions
that it calls are mapped over whole arrays, and the rest of Optuna's code is run on top of them.
NumPy's own `log` is not used, since it differs from C's in the last bit.
"""

import math
import sys
from collections.abc import Callable
from itertools import count, repeat
from types import FunctionType, SimpleNamespace
from typing import Any

import numpy as np
from optuna.samplers._tpe import _truncnorm, probability_distributions
from optuna.samplers._tpe._erf import _erf_right_non_big

_SQRT_2 = 2**0.5
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
    x = a / _SQRT_2
    is_middle = np.abs(x) < 1 / _SQRT_2
    tail = 0.5 * _each(math.erfc, np.abs(x))
    probability = np.where(x < 0, tail, 1.0 - tail)
    probability[is_middle] = 0.5 + 0.5 * _each(math.erf, x[is_middle])
    is_far = ~(a > -20)  # the probability is too small to take its logarithm; includes NaN
    probability[is_far] = 1.0
    out = np.where(a > 6, -tail, _each(math.log, probability))
    out[is_far] = _log_ndtr_far(a[is_far])
    return out


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


def _on(function: Any, **parts: Any) -> Any:
    """Return a copy of Optuna's function that calls `parts` instead of its module's functions."""
    names = function.__globals__ | parts
    return FunctionType(
        function.__code__, names, function.__name__, function.__defaults__, function.__closure__
    )


def _any_gauss_mass(a: np.ndarray, b: np.ndarray, of: int | None) -> np.ndarray:
    mass = _on(
        _truncnorm._log_gauss_mass,
        _log_ndtr=log_ndtr,
        _ndtr=lambda x: ndtr(x, of=x.size if of is None else of),
    )
    result: np.ndarray = mass(a, b)
    return result


_quantile = _on(
    _truncnorm.ppf,
    _log_ndtr=log_ndtr,
    _log_gauss_mass=log_gauss_mass,
    _ndtri_exp=_on(_truncnorm._ndtri_exp, _log_ndtr=log_ndtr),
)
_rvs = _on(_truncnorm.rvs, ppf=_quantile)

# `log_gauss_mass` for arrays with many equal pairs (a, b): each distinct pair is computed once.
log_gauss_mass_unique = _on(
    probability_distributions._log_gauss_mass_unique,
    _truncnorm=SimpleNamespace(_log_gauss_mass=log_gauss_mass),
)


def draw(many: list[Any], rng: np.random.RandomState) -> np.ndarray:
    """Draw one value from each kernel of each parameter, (parameters, kernels)."""
    mu, sigma = (np.array([getattr(each, name) for each in many]) for name in ("mu", "sigma"))
    low, high = (
        np.array([[getattr(each, name)] for each in many])
        for name in ("adapted_low", "adapted_high")
    )
    values: np.ndarray = _rvs(
        a=(low - mu) / sigma, b=(high - mu) / sigma, loc=mu, scale=sigma, random_state=rng
    )
    is_log = [each.is_log for each in many]
    values[is_log] = np.exp(values[is_log])
    for value, each in zip(values, many, strict=True):
        if each.step != 0.0:
            steps = np.round((value - each.low) / each.step) * each.step
            value[:] = np.clip(each.low + steps, each.low, each.high)
    return values

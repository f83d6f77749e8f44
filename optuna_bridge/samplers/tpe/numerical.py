"""The kernels of several numerical parameters at once: arrays (parameters, kernels)."""

import math
from collections.abc import Callable, Mapping
from copy import copy
from functools import cached_property
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.samplers._tpe.parzen_estimator import EPS, _ParzenEstimatorParameters


class Numerical:
    """Numerical parameters, in their order. All arrays are columns (parameters, 1).

    Attributes:
        low, high: The bounds of the values; of stepped parameters, the first and the last one.
        step: 0 for continuous parameters.
        lower, upper: The ends of the kernels' range: half a step beyond the bounds, and in
            logarithms for logarithmic parameters.
    """

    def __init__(self, distributions: Mapping[str, BaseDistribution]) -> None:
        numerical: dict[str, Any] = {
            name: each
            for name, each in distributions.items()
            if not isinstance(each, CategoricalDistribution)
        }
        self.names = list(numerical)
        many = list(numerical.values())
        self.low, self.high = _column([each.low for each in many], [each.high for each in many])
        (self.step,) = _column([each.step or 0.0 for each in many])
        self.lower, self.upper = _column(*_transposed([range_of(each) for each in many]))
        self._first, self._last = _column(*_transposed([range_of(each, np.log) for each in many]))
        self._set_rows(np.array([each.log for each in many], dtype=bool))

    def _set_rows(self, is_log: np.ndarray) -> None:
        self._is_log = is_log
        self._rows = np.arange(len(is_log))[:, np.newaxis]
        self.log_rows = np.flatnonzero(is_log)
        self.stepped_rows = np.flatnonzero(self.step[:, 0])
        self.continuous_rows = np.flatnonzero(self.step[:, 0] == 0)

    @cached_property
    def continuous(self) -> "Numerical":
        return self.part(self.continuous_rows)

    @cached_property
    def stepped(self) -> "Numerical":
        return self.part(self.stepped_rows)

    def part(self, rows: np.ndarray | slice) -> "Numerical":
        """Return some of the parameters."""
        part = copy(self)
        for name in ("low", "high", "step", "lower", "upper", "_first", "_last"):
            setattr(part, name, getattr(self, name)[rows])
        part._set_rows(self._is_log[rows])
        return part

    def in_logarithms(self, x: np.ndarray) -> np.ndarray:
        """Return `x` (parameters, any), with the logarithms of the logarithmic parameters."""
        if not self.log_rows.size:
            return x
        out = x.copy()
        for row in self.log_rows:
            np.log(out[row], out=out[row])
        return out

    def kernels(
        self, observed: np.ndarray, parameters: _ParzenEstimatorParameters
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the means and the deviations of kernels: one for each observation, and the prior.

        A kernel's deviation is the larger of the distances to its two neighbours. The operations
        are those of `_ParzenEstimator._calculate_numerical_distributions`.

        Args:
            observed: (parameters, trials).
            parameters: Optuna's parameters of the estimator.
        """
        n_params, n = observed.shape
        mu, sigma = np.empty((2, n_params, n + 1))
        means = mu[:, :n]
        means[:] = self.in_logarithms(observed)
        # Unstable as in Optuna: the order of equal ones matters.
        order = means.argsort(axis=1)
        ascending = np.empty((n_params, n + 2))
        ascending[:, :1], ascending[:, -1:] = self._first, self._last
        ascending[:, 1:-1] = means[self._rows, order]
        gaps = ascending[:, 1:] - ascending[:, :-1]
        widths = np.maximum(gaps[:, :-1], gaps[:, 1:])
        if not parameters.consider_endpoints and n >= 2:
            widths[:, 0], widths[:, -1] = gaps[:, 1], gaps[:, -2]
        widest = self._last - self._first
        narrowest = widest / min(100.0, 2.0 + n) if parameters.consider_magic_clip else EPS
        np.maximum(widths, narrowest, out=widths)
        np.minimum(widths, widest, out=widths)
        sigma[self._rows, order] = widths
        mu[:, n:], sigma[:, n:] = 0.5 * (self._first + self._last), widest
        return mu, sigma


def range_of(distribution: Any, log: Callable[[float], float] = math.log) -> tuple[float, float]:
    """Return the ends of the range of a parameter's kernels.

    Optuna computes their logarithms by C for the range, but by NumPy for the widths of kernels,
    which may differ in the last bit.
    """
    low, high, step = distribution.low, distribution.high, distribution.step
    if step is not None:
        low, high = low - step / 2, high + step / 2
    return (log(low), log(high)) if distribution.log else (low, high)


def range_in_steps(distribution: Any) -> float:
    """Return how often the least step of a stepped parameter, which is the last one, is in it."""
    lower, upper = range_of(distribution)
    before = distribution.high - distribution.step / 2
    least = upper - (math.log(before) if distribution.log else before)
    return float((upper - lower) / least) if least > 0 else math.inf


def _transposed(pairs: list[tuple[float, float]]) -> tuple[list[float], list[float]]:
    return [first for first, _ in pairs], [last for _, last in pairs]


def _column(*rows: list[float]) -> np.ndarray:
    """Return each row as a column; there may be no parameters."""
    return np.array(rows, dtype=float).reshape(len(rows), -1, 1)

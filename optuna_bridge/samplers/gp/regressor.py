"""Optuna's Gaussian process, identical to the bit, with less to do for each kernel.

It imports PyTorch, so it is imported when the first model is fitted.
"""

from collections.abc import Iterator
from copy import copy
from itertools import groupby
from typing import Any

import numpy as np
import torch
from optuna._gp import gp

from optuna_bridge.samplers.substitution import with_parts


class Regressor(gp.GPRegressor):
    """Optuna's regressor with a faster kernel."""

    def __init__(self, is_categorical: torch.Tensor, *args: Any, **kwargs: Any) -> None:
        super().__init__(is_categorical, *args, **kwargs)
        self._categorical_runs = list(_runs(is_categorical.tolist()))

    # Replaces one that selects the categorical parameters by a mask at each call, and computes the
    # derivative even if none is needed.
    def kernel(
        self, X1: torch.Tensor | None = None, X2: torch.Tensor | None = None
    ) -> torch.Tensor:
        if X1 is None:
            squares = self._squared_X_diff
        else:
            other = self._X_train if X2 is None else X2
            squares = X1 - other if X1.ndim == 1 else X1.unsqueeze(-2) - other.unsqueeze(-3)
            squares.square_()
            for run in self._categorical_runs:
                of_run = squares[..., run]
                of_run.copy_(of_run > 0.0)
        squares = squares.matmul(self.inverse_squared_lengthscales)
        if torch.is_grad_enabled():
            value: torch.Tensor = gp.Matern52Kernel.apply(squares)
        else:
            root = torch.sqrt(5 * squares)
            value = torch.exp(-root) * ((5 / 3) * squares + root + 1)
        return value * self.kernel_scale


def _runs(is_chosen: list[bool]) -> Iterator[slice]:
    """Yield where consecutive elements are true."""
    start = 0
    for is_true, run in groupby(is_chosen):
        stop = start + len(list(run))
        if is_true:
            yield slice(start, stop)
        start = stop


_fit = with_parts(gp.fit_kernel_params, GPRegressor=Regressor)


class Fits:
    """The models that are fitted, in place of Optuna's module `gp`.

    A fit that starts from the defaults, as in a seeded study, only depends on the trials: it is
    kept for the next draw, which may have the same ones. Other fits start from the last one.
    """

    def __init__(self) -> None:
        self._kept: dict[Any, Regressor] = {}
        self._before: dict[Any, Regressor] = {}

    def begin_draw(self) -> None:
        """Forget the fits that the last draw did not use."""
        self._before, self._kept = self._kept, {}

    def fit_kernel_params(
        self,
        X: np.ndarray,
        Y: np.ndarray,
        is_categorical: np.ndarray,
        gpr_cache: gp.GPRegressor | None = None,
        **options: Any,
    ) -> gp.GPRegressor:
        if gpr_cache is not None:
            return self._fit(X, Y, is_categorical, gpr_cache=gpr_cache, **options)
        key = X.shape, X.tobytes(), Y.tobytes(), is_categorical.tobytes()
        found = self._kept.get(key) or self._before.get(key)
        if found is None:
            found = self._fit(X, Y, is_categorical, **options)
        self._kept[key] = found
        return copy(found)  # to which the running trials are added

    def _fit(self, *args: Any, **options: Any) -> Regressor:
        fit: Regressor = _fit(*args, **options)
        # Most of the memory, which nothing needs any more.
        del fit._squared_X_diff
        return fit

"""The search for the maximum of an acquisition function, with a bounded number of operations."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from optuna._gp.optim_mixed import optimize_acqf_mixed

from optuna_bridge.samplers.gp.feasible_search import FeasiblePart, improve
from optuna_bridge.samplers.gp.imputation import NormalizedImputation

# In elements: numbers that are computed for one point. 10 million take some 0.3 s.
_BUDGET = 60_000_000
_BLOCK = 2_000_000  # at a time; 16 MB
_CALL = 30_000  # what a call costs besides
_GRADIENT = 3  # how much more a point costs with its gradient
_CHECK = 300  # what a call costs for each condition, besides those of its points
_FEWEST_SAMPLES = 32


class _BudgetSpent(Exception):
    """The search has evaluated as many points as it may."""


class _BoundedAcquisition:
    """An acquisition function that ends its search when the budget is spent.

    It has what `optimize_acqf_mixed` uses of `BaseAcquisitionFunc`. Points are counted instead of
    seconds, so that a seeded study repeats itself.
    """

    def __init__(
        self,
        acquisition: Any,
        elements: int,
        held: Mapping[int, float],
        imputed: NormalizedImputation | None,
    ) -> None:
        self._acquisition = acquisition
        self._held = held
        self._imputed = imputed
        self._elements = elements  # of a point
        self._left = _BUDGET
        self._best_value = -np.inf
        self.best: np.ndarray | None = None
        self.search_space = acquisition.search_space
        self.length_scales = acquisition.length_scales

    def eval_acqf_no_grad(self, x: np.ndarray) -> np.ndarray:
        """Return the values at `x` (..., parameters), computed in blocks if there are many."""
        x = self._with_held(x, np.copy)
        if self._imputed is not None:
            x = self._imputed.of_array(x)
        self._spend(x, 1)
        rows = max(1, _BLOCK // self._elements)
        if x.ndim == 1 or len(x) <= rows:
            values = self._acquisition.eval_acqf_no_grad(x)
        else:
            blocks = (x[start : start + rows] for start in range(0, len(x), rows))
            values = np.concatenate(list(map(self._acquisition.eval_acqf_no_grad, blocks)))
        self._keep_best(x, values)
        return values

    def eval_acqf(self, x: Any) -> Any:
        """Return the values at the tensor `x`, of which the gradient is needed."""
        x = self._with_held(x, lambda tensor: tensor.clone())
        if self._imputed is not None:
            x = self._imputed.of_tensor(x)
        self._spend(x, _GRADIENT)
        values = self._acquisition.eval_acqf(x)
        self._keep_best(x.detach().numpy(), values.detach().numpy())
        return values

    def with_held(self, x: np.ndarray) -> np.ndarray:
        """Return a point with the parameters that are not searched."""
        return np.asarray(self._with_held(x, np.copy))

    def begin_again(self, budget: int) -> None:
        """Spend another budget, and forget the best point so far."""
        self._left, self._best_value, self.best = budget, -np.inf, None

    def _with_held(self, x: Any, copied: Callable[[Any], Any]) -> Any:
        if self._held:
            x = copied(x)
            for column, value in self._held.items():
                x[..., column] = value
        return x

    def _spend(self, x: Any, factor: int) -> None:
        n_points = 1 if x.ndim == 1 else len(x)
        cost = max(_CALL, n_points * self._elements * factor)
        if self._imputed is not None:
            cost += self._imputed.n_checks * (_CHECK + n_points)
        if cost > self._left:
            raise _BudgetSpent
        self._left -= cost

    def _keep_best(self, x: np.ndarray, values: np.ndarray) -> None:
        if x.ndim == 1:
            best, value = x, values.item()
        else:
            position = int(values.argmax())
            best, value = x[position], values[position]
        if value > self._best_value or self.best is None:
            self._best_value, self.best = value, best.copy()


def maximize(
    acquisition: Any,
    *,
    elements: int,
    starts: np.ndarray | None,
    n_samples: int,
    n_local_search: int,
    tol: float,
    rng: np.random.RandomState,
    held: Mapping[int, float],
    imputed: NormalizedImputation | None = None,
    part: FeasiblePart | None = None,
) -> np.ndarray:
    """Return the normalized parameters at the maximum that Optuna's search finds.

    If the budget is spent before, the best point so far is returned.

    Args:
        acquisition: Optuna's acquisition function.
        elements: How many numbers are computed for one point.
        starts: Points (n, parameters) from which to search, besides the best of the samples.
        n_samples: How many points to sample; fewer if they cost more than half of the budget.
        n_local_search: From how many points to search.
        tol: The precision of the search.
        rng: Chooses the samples.
        held: The normalized values, by column, of parameters that are not searched.
        imputed: The values of parameters that are not active at a point; None if all always are.
        part: Where constraints between parameters hold, if there are any. The point is one of it,
            unless none is known.
    """
    while n_samples > _FEWEST_SAMPLES and n_samples * elements > _BUDGET // 2:
        n_samples //= 2
    bounded: Any = _BoundedAcquisition(acquisition, elements, held, imputed)
    if part is not None:
        return _maximize_in_part(bounded, part, starts, n_samples, n_local_search, tol, rng)
    try:
        found, _ = optimize_acqf_mixed(
            bounded,
            warmstart_normalized_params_array=starts,
            n_preliminary_samples=n_samples,
            n_local_search=n_local_search,
            tol=tol,
            rng=rng,
        )
    except _BudgetSpent:
        found = bounded.best
    for column, value in held.items():
        found[column] = value
    return found


class _SampledPart:
    """Optuna's normalized search space, of which only given points are sampled."""

    def __init__(self, normalized: Any, points: np.ndarray) -> None:
        self._normalized, self._points = normalized, points

    def sample_normalized_params(self, n: int, rng: np.random.RandomState | None) -> np.ndarray:
        return self._points[:n]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._normalized, name)


def _maximize_in_part(
    bounded: Any,
    part: FeasiblePart,
    starts: np.ndarray | None,
    n_samples: int,
    n_local_search: int,
    tol: float,
    rng: np.random.RandomState,
) -> np.ndarray:
    """Return the best point of the feasible part: Optuna's, if it is there, or one near."""
    samples = part.sample(n_samples, rng)
    if not len(samples):
        return np.asarray(bounded.search_space.sample_normalized_params(1, rng)[0])
    bounded.search_space = _SampledPart(bounded.search_space, samples)
    try:
        found, _ = optimize_acqf_mixed(
            bounded,
            warmstart_normalized_params_array=starts,
            n_preliminary_samples=len(samples),
            n_local_search=n_local_search,
            tol=tol,
            rng=rng,
        )
    except _BudgetSpent:
        found = bounded.best
    found = bounded.with_held(found)
    if part.holds(found[None])[0]:
        return found
    known = samples if starts is None else np.concatenate([samples, starts])
    bounded.begin_again(_BUDGET // 2)
    try:
        inside = known[part.holds(known)]
        return improve(bounded.eval_acqf_no_grad, part, inside, found, rng)
    except _BudgetSpent:
        return np.asarray(bounded.best)

"""The search for the maximum of an acquisition function where parameters have constraints."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from optuna._gp.search_space import _normalize_one_param, _ScaleType
from optuna.distributions import BaseDistribution

from optuna_bridge.samplers.gp.internal_values import internal_values
from optuna_bridge.space.parameter_constraints.constraints import ParameterConstraints

_KEPT = 8  # points around which others are tried
_TRIED = 40  # around each
_ROUNDS = 16
_FIRST_RADIUS, _LAST_RADIUS = 0.3, 0.002
_SHARE_OF_SEGMENTS = np.linspace(0.0, 1.0, 33)[1:-1]


class FeasiblePart:
    """The part of Optuna's normalized search space that satisfies constraints.

    Args:
        constraints: The constraints.
        distributions: The parameters that are searched, in the order of the normalized columns.
        normalized: Optuna's normalized search space, in which large grids are continuous.
        given: What the other parameters are, and those that are searched but fixed.
    """

    def __init__(
        self,
        constraints: ParameterConstraints,
        distributions: Mapping[str, BaseDistribution],
        normalized: Any,
        given: Mapping[str, float],
    ) -> None:
        self._constraints = constraints
        self._distributions = distributions
        self._normalized = normalized
        self._given = given

    def holds(self, x: np.ndarray) -> np.ndarray:
        """Return which of the points (n, parameters) satisfy the constraints."""
        columns = {name: self._values(column, x) for column, name in enumerate(self._distributions)}
        given = {name: np.array([value]) for name, value in self._given.items()}
        return self._constraints.hold_at(columns | given, len(x))

    def sample(self, n: int, rng: np.random.RandomState) -> np.ndarray:
        """Return at most n points that satisfy the constraints, and fill the space evenly."""
        points = self._constraints.points
        seed = np.random.default_rng(rng.randint(2**31 - 1, size=4))
        columns, n = points.draw_many(n, self._given, seed)
        sobol = self._normalized.sample_normalized_params(1 << (n - 1).bit_length(), rng)
        x: np.ndarray = sobol[:n]
        for column, name in enumerate(self._distributions):
            if name in columns:
                x[:, column] = self._normalize(column, columns[name])
            elif name in self._given:
                x[:, column] = self._normalize(column, np.array([self._given[name]]))[0]
        return x[self.holds(x)]

    def snap(self, x: np.ndarray) -> np.ndarray:
        """Return points whose discrete parameters have one of their values."""
        x = np.clip(x, 0.0, self._highest)
        for column in self._normalized.discrete_indices:
            x[:, column] = self._normalize(column, self._values(column, x))
        return x

    @property
    def _highest(self) -> np.ndarray:
        is_categorical = self._normalized.is_categorical
        highest: np.ndarray = np.where(is_categorical, self._normalized._bounds[:, 1] - 1, 1.0)
        return highest

    @property
    def spans(self) -> np.ndarray:
        """The length of each column: 1, or the number of choices."""
        return np.maximum(self._highest, 1.0)

    def _values(self, column: int, x: np.ndarray) -> np.ndarray:
        """Return the internal representations of a column."""
        distribution = list(self._distributions.values())[column]
        return internal_values(x[:, column], column, self._normalized, distribution)

    def _normalize(self, column: int, values: np.ndarray) -> np.ndarray:
        low, high = self._normalized._bounds[column]
        scale = _ScaleType(self._normalized._scale_types[column])
        step = self._normalized._steps[column]
        return np.asarray(_normalize_one_param(values, scale, (low, high), step))


def improve(
    evaluate: Callable[[np.ndarray], np.ndarray],
    part: FeasiblePart,
    starts: np.ndarray,
    outside: np.ndarray,
    rng: np.random.RandomState,
) -> np.ndarray:
    """Return the best point that is found in the feasible part.

    Args:
        evaluate: The function to maximize.
        part: The feasible part.
        starts: Points of it (n, parameters), at least one.
        outside: The maximum in the whole space, which does not satisfy the constraints: the best
            points are often where the ways to it leave the part.
        rng: Chooses the points that are tried.
    """
    values = evaluate(starts)
    best = starts[np.argsort(-values)[:_KEPT]]
    ways = best[:, None] + _SHARE_OF_SEGMENTS[None, :, None] * (outside - best[:, None])
    tried = part.snap(ways.reshape(-1, starts.shape[1]))
    points, values = _merged(evaluate, part, best, np.sort(values)[::-1][:_KEPT], tried)
    decay = (_LAST_RADIUS / _FIRST_RADIUS) ** (1 / (_ROUNDS - 1))
    for turn in range(_ROUNDS):
        tried = _around(points, _FIRST_RADIUS * decay**turn * part.spans, rng)
        points, values = _merged(evaluate, part, points, values, part.snap(tried))
    found: np.ndarray = points[0]
    return found


def _around(points: np.ndarray, radii: np.ndarray, rng: np.random.RandomState) -> np.ndarray:
    """Return points near others, which differ in all or in a few coordinates."""
    n, n_axes = len(points) * _TRIED, points.shape[1]
    centres = np.repeat(points, _TRIED, axis=0)
    few = min(1.0, max(1, math.ceil(n_axes / 4)) / n_axes)
    is_moved = rng.random_sample((n, n_axes)) < np.where(np.arange(n) % 2, few, 1.0)[:, None]
    moved: np.ndarray = centres + is_moved * radii * rng.standard_normal((n, n_axes))
    return moved


def _merged(
    evaluate: Callable[[np.ndarray], np.ndarray],
    part: FeasiblePart,
    points: np.ndarray,
    values: np.ndarray,
    tried: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the best of the points and of those that are tried and feasible, best first."""
    tried = tried[part.holds(tried)]
    if len(tried):
        points = np.concatenate([points, tried])
        values = np.concatenate([values, evaluate(tried)])
    order = np.argsort(-values, kind="stable")[:_KEPT]
    return points[order], values[order]

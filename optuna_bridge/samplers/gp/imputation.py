"""Parameters that trials lack, for a model that needs a value for each.

A parameter that is not active has a constant value in the model: the middle of its range, or its
first choice. So neither it nor the search makes a difference where trials cannot differ.
"""

from collections.abc import Mapping, Sequence
from copy import copy
from typing import Any

import numpy as np
from optuna import Study
from optuna._gp.search_space import SearchSpace as NormalizedSpace
from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial

from optuna_bridge.samplers.centre import centre
from optuna_bridge.samplers.gp.internal_values import internal_values
from optuna_bridge.space.conditions import Conditions
from optuna_bridge.space.search_space import SearchSpace


class WholeSpace:
    """All parameters of a space, in place of Optuna's intersection of those of all trials."""

    def __init__(self, distributions: Mapping[str, BaseDistribution]) -> None:
        self._distributions = dict(sorted(distributions.items()))

    def calculate(self, study: Study) -> dict[str, BaseDistribution]:
        return self._distributions


class Imputation:
    """The values of parameters that are not active, in trials and in normalized points."""

    def __init__(self, space: SearchSpace) -> None:
        self._distributions = space.distributions
        self._conditions = space.conditions
        self.constants = centre(space.distributions)

    def imputed(self, trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
        """Return the trials, with copies of those that lack parameters."""
        return [self._imputed(each) for each in trials]

    def _imputed(self, trial: FrozenTrial) -> FrozenTrial:
        if len(trial.params) == len(self.constants):
            return trial
        found = copy(trial)
        found.params = self.constants | trial.params
        found.distributions = self._distributions
        return found

    def on(self, search_space: Mapping[str, BaseDistribution]) -> "NormalizedImputation":
        """Return the imputation of points that are normalized as Optuna's model does it."""
        return NormalizedImputation(
            self._conditions, self._distributions, self.constants, search_space
        )


class NormalizedImputation:
    """The imputation of normalized points (..., parameters), arrays or tensors.

    Attributes:
        n_checks: How many conditions it checks for a point.
    """

    def __init__(
        self,
        conditions: Conditions,
        distributions: Mapping[str, BaseDistribution],
        constants: Mapping[str, Any],
        search_space: Mapping[str, BaseDistribution],
    ) -> None:
        self._conditions = conditions
        self._distributions = distributions
        self._constants = constants
        self.n_checks = conditions.n_conditions
        self._columns = {name: column for column, name in enumerate(search_space)}
        self._normalized = NormalizedSpace(dict(search_space))
        only: list[Any] = [None]  # of which the parameters are given
        self._fill = self._normalized.get_normalized_params(only, [dict(constants)])[0]

    def of_array(self, x: np.ndarray) -> np.ndarray:
        """Return the points with the constants of the parameters that are not active."""
        kept = self._kept(x)
        return np.where(kept, x, self._fill)

    def of_tensor(self, x: Any) -> Any:
        """Return the points as `of_array` does, differentiable by the active parameters."""
        kept = self._kept(x.detach().numpy())
        # Not by a mask, so that the gradient of what is not active is 0.
        return x * x.new_tensor(kept) + x.new_tensor(np.where(kept, 0.0, self._fill))

    def _kept(self, x: np.ndarray) -> np.ndarray:
        """Return where parameters are active."""
        values = {name: self._internal(name, x) for name in self._conditions.parents}
        kept = np.ones(x.shape, dtype=bool)
        for name, mask in self._conditions.masks(values).items():
            if name in self._columns:
                kept[..., self._columns[name]] = mask
        return kept

    def _internal(self, name: str, x: np.ndarray) -> np.ndarray:
        """Return the values of a parameter, on its steps, in Optuna's internal representation."""
        distribution: Any = self._distributions[name]
        if name not in self._columns:  # it has one value only
            constant = distribution.to_internal_repr(self._constants[name])
            return np.full(x.shape[:-1], constant, dtype=float)
        column = self._columns[name]
        return internal_values(x[..., column], column, self._normalized, distribution)

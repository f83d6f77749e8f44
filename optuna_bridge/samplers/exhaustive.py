"""Samplers that visit each point of a finite space, or of a grid in it, once.

Which points are left is known to the service (`VisitedPoints`), and not to Optuna's samplers of
these names: with concurrent workers, they may suggest a point twice or leave one out.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.samplers import RandomSampler
from optuna.trial import FrozenTrial

from optuna_bridge.samplers.kind import Options, StudyTraits
from optuna_bridge.space.conditional_points import MAX_VALUES, points_of
from optuna_bridge.space.points import MAX_POINTS, Axis, GridAxis, Points, ValuesAxis, n_points
from optuna_bridge.space.search_space import SearchSpace


def points_of_grid(space: SearchSpace, options: Options) -> Points:
    """Return the points of the grid of `n_values` for each number."""
    axes = _grid_axes(space.distributions, options["n_values"])
    return points_of(axes, space)


def fault_of_space(study: StudyTraits) -> str | None:
    """Return why the points of a study's space cannot all be visited; None if they can."""
    distributions = study.space.distributions
    axes = _axes(distributions)
    for name, axis in zip(distributions, axes, strict=True):
        if axis.n is None:
            return (
                f'parameter "{name:.80}" is a float without a step, and has too many values to try '
                "them all: give it a step, or take the sampler grid"
            )
    hint = "give it fewer values, or take the sampler grid"
    return _fault_of_number("search space", study.space, axes, hint)


def fault_of_grid(study: StudyTraits) -> str | None:
    """Return why the points of a study's grid cannot all be visited; None if they can."""
    axes = _grid_axes(study.space.distributions, study.options["n_values"])
    hint = "give a smaller n_values, or fewer parameters or choices"
    fault = _fault_of_number("grid", study.space, axes, hint)
    if fault is None and points_of_grid(study.space, study.options).n == 0:
        return "no point of the grid satisfies the constraints between parameters"
    return fault


def _fault_of_number(what: str, space: SearchSpace, axes: Sequence[Axis], hint: str) -> str | None:
    n = n_points(axes)
    if n is None or n <= MAX_POINTS or points_of(axes, space).n_indexes is not None:
        return None
    names = space.distributions
    values, name = max((axis.n or 0, name) for name, axis in zip(names, axes, strict=True))
    most = f'parameter "{name:.80}" has the most values, {values:,}: {hint}'
    if space.is_conditional:
        return (
            f"the {what} has too many points: at most {MAX_POINTS:,} are visited, and "
            f"{MAX_VALUES:,} divided by the number of parameters; {most}"
        )
    return f"the {what} has {n:.6g} points, and at most {MAX_POINTS:,} are visited; {most}"


def _axes(distributions: Mapping[str, BaseDistribution]) -> list[Axis]:
    return [ValuesAxis(each) for each in distributions.values()]


def _grid_axes(distributions: Mapping[str, BaseDistribution], n_values: int) -> list[GridAxis]:
    return [GridAxis(each, n_values) for each in distributions.values()]


class GridValuesSampler(RandomSampler):
    """A random value of the grid for each parameter.

    It draws only what is left open by a queued trial of which no point of the grid is left.
    """

    def __init__(
        self, distributions: Mapping[str, BaseDistribution], *, seed: int | None, n_values: int
    ) -> None:
        super().__init__(seed)
        axes = _grid_axes(distributions, n_values)
        self._axes = dict(zip(distributions, axes, strict=True))

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        axis = self._axes[param_name]
        return param_distribution.to_external_repr(axis.value(self._rng.rng.randint(axis.n)))

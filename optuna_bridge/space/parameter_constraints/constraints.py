"""The constraints between the parameters of one search space."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution, CategoricalDistribution

from optuna_bridge.space.conditions import Conditions
from optuna_bridge.space.parameter_constraints.axes import UnitAxis
from optuna_bridge.space.parameter_constraints.evaluation import Column, hold
from optuna_bridge.space.parameter_constraints.feasible_points import FeasiblePoints
from optuna_bridge.space.parameter_constraints.parser import ParsedConstraint, parse
from optuna_bridge.space.parameter_constraints.tokens import InvalidConstraint
from optuna_bridge.space.values import is_continuous

MAX_CONSTRAINTS = 100
_MAX_OPERATIONS = 5000  # of all together


class ParameterConstraints:
    """What each trial of a study has to satisfy.

    Parameters are given and returned in Optuna's internal representation, a number for each, so
    that the space of a study and the one that its sampler sees have the same constraints. In a
    constraint an ordinal parameter counts with its number, and so does a categorical one of which
    all choices are numbers.

    A constraint does not apply to a point that lacks one of its parameters, or at which one is not
    active.
    """

    def __init__(
        self,
        texts: Sequence[str],
        distributions: Mapping[str, BaseDistribution],
        conditions: Conditions | None = None,
    ) -> None:
        """Create the constraints from their texts, in which `faults_of` found no fault.

        `conditions` are those with which trials have the parameters.
        """
        self._distributions = distributions
        self._parsed = [parse(text, distributions) for text in texts]
        if conditions:
            self._parsed = [
                replace(each, conditions=conditions.transitive(each.names)) for each in self._parsed
            ]

    @property
    def texts(self) -> list[str]:
        return [each.text for each in self._parsed]

    @property
    def names(self) -> list[str]:
        """The names of the parameters on which they depend, in the order of the space."""
        contained = {name for each in self._parsed for name in each.all_names}
        return [name for name in self._distributions if name in contained]

    @cached_property
    def _axes(self) -> dict[str, UnitAxis]:
        names = self.names
        return {name: _axis(self._distributions[name]) for name in names}

    @cached_property
    def points(self) -> FeasiblePoints:
        """The points that satisfy the constraints."""
        return FeasiblePoints(self._axes, self._parsed)

    def hold(self, params: Mapping[str, float]) -> bool:
        """Return whether a point satisfies them."""
        return bool(self.hold_at({k: np.array([v]) for k, v in params.items()}, 1)[0])

    def hold_at(self, columns: Mapping[str, np.ndarray], n: int) -> np.ndarray:
        """Return which of n points satisfy them; NaN is a missing value."""
        return hold(self._parsed, self._columns(columns), n)

    def hold_at_places(self, places: Mapping[str, np.ndarray], n: int) -> np.ndarray:
        """Return which of n points of the unit cube satisfy them."""
        axes = self._axes.items()
        return self.hold_at({name: axis.values(places[name]) for name, axis in axes}, n)

    def violated(self, params: Mapping[str, float]) -> Iterator[ParsedConstraint]:
        """Yield the constraints that a point does not satisfy."""
        columns = self._columns({name: np.array([value]) for name, value in params.items()})
        for each in self._parsed:
            if not hold([each], columns, 1)[0]:
                yield each

    def _columns(self, columns: Mapping[str, np.ndarray]) -> dict[str, Column]:
        return {
            name: axis.column(columns[name]) for name, axis in self._axes.items() if name in columns
        }


def _axis(distribution: BaseDistribution) -> UnitAxis:
    listed = None
    if isinstance(distribution, CategoricalDistribution) and all(
        map(_is_number, distribution.choices)
    ):
        listed = [float(choice) for choice in distribution.choices if choice is not None]
    return UnitAxis(distribution, listed)


def faults_of(
    texts: Sequence[str], distributions: Mapping[str, BaseDistribution]
) -> list[tuple[int, str]]:
    """Return (index, fault) for each text that is no constraint between these parameters."""
    faults, n_operations = [], 0
    for index, text in enumerate(texts):
        try:
            parsed = parse(text, distributions)
            _check(parsed, distributions)
        except InvalidConstraint as error:
            faults.append((index, f"{text!r:.100}: {error}"))
            continue
        n_operations += parsed.n_operations
        if n_operations > _MAX_OPERATIONS:
            fault = f"up to here the constraints have {n_operations} numbers and operators"
            return [*faults, (index, f"{fault}, and at most {_MAX_OPERATIONS} are allowed")]
    return faults


def _check(parsed: ParsedConstraint, distributions: Mapping[str, BaseDistribution]) -> None:
    """Raise `InvalidConstraint` for a parameter without numbers, or an equality of floats."""
    for name in parsed.names:
        distribution = distributions[name]
        if isinstance(distribution, CategoricalDistribution) and not all(
            map(_is_number, distribution.choices)
        ):
            raise InvalidConstraint(f'parameter "{name:.80}" has choices that are not numbers')
    for each in parsed.comparisons:
        for name in each.names:
            if each.operator == "==" and is_continuous(distributions[name]):
                raise InvalidConstraint(
                    f'== holds nearly nowhere, since "{name:.80}" is a float without a step: let '
                    "it out of the search space, and compute it from the others"
                )


def _is_number(choice: Any) -> bool:
    if not isinstance(choice, int | float) or isinstance(choice, bool):
        return False
    return abs(choice) <= 1e300  # False for NaN

"""The search space: conversion between the API's parameters and Optuna's distributions."""

from collections.abc import Callable, Collection, Mapping, Sequence
from decimal import Decimal
from functools import cached_property
from typing import Any

import numpy as np
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
    distribution_to_json,
)

from optuna_bridge.space.active_parameters import ActiveParameters
from optuna_bridge.space.conditions import Conditions
from optuna_bridge.space.parameter_constraints.constraints import ParameterConstraints
from optuna_bridge.space.values import ChoiceIndexes, converter, is_reached, shown_values
from optuna_bridge.space.when import conditions_of

Parameter = Mapping[str, Any]
# The kinds of parameters that list their values, and the key of the list.
_LISTS = {"categorical": "choices", "ordinal": "values"}
MAX_STEPS = 2**53  # from low to high; floats cannot represent more steps exactly
_MAX_SUBSETS = 1000  # of the distributions, which trials without all parameters share


class SearchSpace(ActiveParameters):
    """The parameters of a study, in their order.

    A trial's parameters are stored in Optuna's internal representation: one float for each
    parameter, in this order. It is the number itself, or the index of a choice; None if the trial
    has no value for the parameter. This preserves the order and the types exactly.

    The distributions are those that are stored and shown: stock Optuna reads an ordinal parameter
    as a categorical one over its values. Samplers draw from `as_sampled` instead.

    A trial has the parameters that are active with its values (`conditions`), and satisfies the
    constraints between parameters (`ParameterConstraints`), which are given as texts.
    """

    def __init__(
        self,
        parameters: Sequence[Parameter],
        parameter_constraints: Sequence[str] = (),
        *,
        original: "SearchSpace | None" = None,
    ) -> None:
        """Create a space; one that is the `original` as samplers see it has its conditions."""
        self.parameters = list(parameters)
        self.original = original
        self.constraint_texts = list(parameter_constraints)
        self._subsets: dict[tuple[str, ...], dict[str, BaseDistribution]] = {}

    @cached_property
    def distributions(self) -> dict[str, BaseDistribution]:
        return {parameter["name"]: distribution_of(parameter) for parameter in self.parameters}

    @cached_property
    def parameter_constraints(self) -> ParameterConstraints | None:
        """The constraints between the parameters; None if there are none."""
        texts = self.constraint_texts
        return ParameterConstraints(texts, self.distributions, self.conditions) if texts else None

    @cached_property
    def as_sampled(self) -> "SearchSpace":
        """The space as samplers see it: an ordinal parameter is the index of its value, an int.

        The index is also the internal representation of a choice, so that the same stored trials
        are read through both spaces. Without ordinal parameters, it is this space itself.
        """
        if all(each["type"] != "ordinal" for each in self.parameters):
            return self
        return SearchSpace([_as_sampled(each) for each in self.parameters], original=self)

    @property
    def distributions_as_sampled(self) -> dict[str, BaseDistribution]:
        return self.as_sampled.distributions

    @cached_property
    def conditions(self) -> Conditions:
        """The conditions with which trials have the parameters; by the internal values."""
        return conditions_of(self) if self.original is None else self.original.conditions

    @cached_property
    def is_conditional(self) -> bool:
        """Whether trials may lack parameters, since these have conditions."""
        return bool(self.conditions)

    def distributions_of(self, names: Collection[str]) -> dict[str, BaseDistribution]:
        """Return the distributions of some parameters, in the space's order; do not change them.

        Trials that have the same parameters share them.
        """
        if len(names) == len(self.distributions):
            return self.distributions
        key = tuple(names)
        found = self._subsets.get(key)
        if found is None:
            found = {name: self.distributions[name] for name in names}
            if len(self._subsets) < _MAX_SUBSETS:
                self._subsets[key] = found
        return found

    @cached_property
    def _external(self) -> list[tuple[str, Callable[[float], Any]]]:
        return [(name, each.to_external_repr) for name, each in self.distributions.items()]

    @cached_property
    def _internal(self) -> list[tuple[str, Callable[[Any], float]]]:
        return [
            (name, self._indexes[name].__getitem__ if name in self._indexes else converter(each))
            for name, each in self.distributions.items()
        ]

    @cached_property
    def _indexes(self) -> dict[str, ChoiceIndexes]:
        """The parameters that list their values: Optuna would search the list for each value."""
        return {
            parameter["name"]: ChoiceIndexes(listed_values(parameter))
            for parameter in self.parameters
            if parameter["type"] in _LISTS
        }

    def to_internal(self, params: Mapping[str, Any]) -> list[float | None]:
        """Convert valid parameters to Optuna's internal representation.

        A stepped float that rounding moved past `low` or `high` is clamped to it.
        """
        return [
            convert(params[name]) if name in params else None for name, convert in self._internal
        ]

    def to_external(self, internal: Sequence[float | None]) -> dict[str, Any]:
        pairs = zip(self._external, internal, strict=True)
        return {name: convert(value) for (name, convert), value in pairs if value is not None}

    def internal_value(self, name: str, value: Any) -> float:
        """Convert the valid value of one parameter to Optuna's internal representation."""
        return self._converters[name](value)

    @cached_property
    def _converters(self) -> dict[str, Callable[[Any], float]]:
        return dict(self._internal)

    def given(self, params: Mapping[str, Any]) -> dict[str, float]:
        """Return the internal representations of valid parameters, by name."""
        return {name: convert(params[name]) for name, convert in self._internal if name in params}

    def allows(self, columns: Sequence[np.ndarray | float], n: int) -> np.ndarray:
        """Return which of n points, given by their internal columns, satisfy the constraints."""
        if self.parameter_constraints is None:
            return np.ones(n, dtype=bool)
        by_name = {
            name: np.broadcast_to(np.asarray(column, dtype=float), n)
            for name, column in zip(self.distributions, columns, strict=True)
        }
        return self.parameter_constraints.hold_at(by_name, n)

    # Values outside the space ----------------------------------------------------------------

    def faults(self, params: Mapping[str, Any]) -> list[tuple[str, str]]:
        """Return (parameter, fault) for each value that no trial with the others may have.

        These are values outside the space, and of parameters that are not active. If there are
        none, the constraints between the given parameters have to hold; a fault of one is named
        after the first of its parameters.
        """
        faults = self.value_faults(params) or self.activity_faults(params)
        if faults or self.parameter_constraints is None:
            return faults
        return [
            (each.names[0], f"the constraint {each.text} between parameters does not hold")
            for each in self.parameter_constraints.violated(self.given(params))
        ]

    def partial_faults(self, params: Mapping[str, Any]) -> list[tuple[str, str]]:
        """Return the `faults` of parameters, or that no point with their values was found."""
        faults = self.faults(params)
        constraints = self.parameter_constraints
        if faults or constraints is None or constraints.points.exist(self.given(params)):
            return faults
        name = next(name for name in constraints.names if name in params)
        return [(name, "with this value, no point was found that satisfies parameter_constraints")]

    def value_faults(self, params: Mapping[str, Any]) -> list[tuple[str, str]]:
        """Return (parameter, fault) for each value outside the space, whatever the others are."""
        known = ", ".join(self.distributions)
        if len(known) > 300:
            known = f"{known[:300]}…"
        unknown = f"unknown parameter; the parameters are: {known}"
        return [(name, unknown) for name in params if name not in self.distributions] + [
            (parameter["name"], fault)
            for parameter in self.parameters
            if parameter["name"] in params
            and (fault := self._fault(parameter, params[parameter["name"]]))
        ]

    def value_fault(self, name: str, value: Any) -> str | None:
        """Return what is wrong with the value of one parameter; None if it is in the space."""
        return self._fault(self._by_name[name], value)

    @cached_property
    def _by_name(self) -> dict[str, Parameter]:
        return {parameter["name"]: parameter for parameter in self.parameters}

    def _fault(self, parameter: Parameter, value: Any) -> str | None:
        kind, distribution = parameter["type"], self.distributions[parameter["name"]]
        if kind in _LISTS:
            if value in self._indexes[parameter["name"]]:
                return None
            return f"expected one of {shown_values(listed_values(parameter))}"
        number = "an integer" if kind == "int" else "a number"
        if isinstance(value, bool) or not isinstance(value, int if kind == "int" else int | float):
            return f"expected {number}, not {value!r:.80}"
        if is_reached(distribution, value):
            return None
        step = parameter.get("step")
        steps = f" in steps of {step}" if step is not None else ""
        return f"{value} is not {number} from {parameter['low']} to {parameter['high']}{steps}"

    def distributions_json(self) -> list[str]:
        """Return the distributions in the JSON format of Optuna's storage."""
        return [distribution_to_json(each) for each in self.distributions.values()]


def listed_values(parameter: Parameter) -> Sequence[Any]:
    """Return the choices of a categorical parameter, or the values of an ordinal one.

    Empty if the parameter is a range.
    """
    key = _LISTS.get(parameter["type"])
    values: Sequence[Any] = () if key is None else parameter[key]
    return values


def reachable_high(parameter: Parameter) -> Any:
    """Return the last value that steps from `low` reach; Optuna adjusts `high` so, and warns."""
    low, high, step = parameter["low"], parameter["high"], parameter.get("step")
    if step is None or parameter["type"] == "int":
        return high if step is None else low + (high - low) // step * step
    exact_low, exact_high, exact_step = (Decimal(str(float(n))) for n in (low, high, step))
    steps, rest = divmod(exact_high - exact_low, exact_step)
    return high if rest == 0 else float(exact_low + steps * exact_step)


def parameter_of(name: str, distribution: BaseDistribution) -> dict[str, Any]:
    """Return the API's description of a parameter that has one of Optuna's distributions."""
    match distribution:
        case CategoricalDistribution():
            return {"type": "categorical", "name": name, "choices": list(distribution.choices)}
        case FloatDistribution() | IntDistribution():
            kind = "float" if isinstance(distribution, FloatDistribution) else "int"
            parameter = {
                "type": kind,
                "name": name,
                "low": distribution.low,
                "high": distribution.high,
                "log": distribution.log,
            }
            if distribution.step is not None:
                parameter["step"] = distribution.step
            return parameter
    raise ValueError(f"parameter {name!r} has the unknown distribution {distribution!r}")


def distribution_of(parameter: Parameter) -> BaseDistribution:
    """Return the distribution of a parameter as it is stored and shown."""
    kind = parameter["type"]
    if kind in _LISTS:
        return CategoricalDistribution(listed_values(parameter))
    low, high = parameter["low"], reachable_high(parameter)
    log, step = parameter.get("log", False), parameter.get("step")
    if kind == "int":
        return IntDistribution(low, high, log=log, step=step or 1)
    distribution = FloatDistribution(low, high, log=log)
    # Set afterwards: if the float nearest to the last step is not a decimal multiple of the step,
    # the constructor would adjust `high` again, and warn.
    distribution.step = step
    return distribution


def _as_sampled(parameter: Parameter) -> Parameter:
    if parameter["type"] != "ordinal":
        return parameter
    last = len(listed_values(parameter)) - 1
    return {"type": "int", "name": parameter["name"], "low": 0, "high": last}

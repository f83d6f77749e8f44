"""Constraints of trials: their representation in Optuna's attributes, and their violation."""

from collections.abc import Iterable, Mapping
from typing import Any

OLD_KEY = "constraints"  # Optuna's older attribute: one list of unnamed constraint values
_PREFIX = f"{OLD_KEY}:"  # precedes a constraint's name


def constraint_attrs(constraints: Mapping[str, float]) -> dict[str, float]:
    """Return the system attributes in which Optuna's samplers look for a trial's constraints."""
    return {f"{_PREFIX}{name}": value for name, value in constraints.items()}


def constraints_of(system_attrs: Mapping[str, Any]) -> dict[str, Any]:
    """Return a trial's constraints by name; those of the old list are named by their position."""
    old = enumerate(system_attrs.get(OLD_KEY) or ())
    named = {
        key.removeprefix(_PREFIX): value
        for key, value in system_attrs.items()
        if key.startswith(_PREFIX)
    }
    return {str(position): value for position, value in old} | named


def without_constraints(system_attrs: Mapping[str, Any]) -> dict[str, Any]:
    """Return a trial's system attributes but for those of its constraints."""
    return {
        key: value
        for key, value in system_attrs.items()
        if key != OLD_KEY and not key.startswith(_PREFIX)
    }


def total_violation(constraints: Iterable[float]) -> float:
    """Return the sum of the constraint values above 0, as Optuna computes the total violation."""
    return sum((value for value in constraints if value > 0), 0.0)

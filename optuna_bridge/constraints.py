"""Constraints of trials: how Optuna keeps them among the attributes, and how they are exceeded."""

from collections.abc import Iterable, Mapping
from typing import Any

OLD_KEY = "constraints"  # of a list of them, before they had names
_PREFIX = f"{OLD_KEY}:"  # before a constraint's name


def constraint_attrs(constraints: Mapping[str, float]) -> dict[str, float]:
    """The attributes in which Optuna and its samplers look for a trial's constraints."""
    return {f"{_PREFIX}{name}": value for name, value in constraints.items()}


def constraints_of(system_attrs: Mapping[str, Any]) -> dict[str, Any]:
    """A trial's constraints as Optuna reads them: of the old list, the positions are the names."""
    old = enumerate(system_attrs.get(OLD_KEY) or ())
    named = {
        key.removeprefix(_PREFIX): value
        for key, value in system_attrs.items()
        if key.startswith(_PREFIX)
    }
    return {str(position): value for position, value in old} | named


def total_violation(constraints: Iterable[float]) -> float:
    """By how much constraints are exceeded, together: the sum of those above 0, as in Optuna."""
    return sum((value for value in constraints if value > 0), 0.0)

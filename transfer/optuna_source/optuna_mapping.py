"""Mapping of stock Optuna's trials to the service's terms, if an exact mapping exists."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial

from optuna_bridge.enums import TrialState
from optuna_bridge.search_space import SearchSpace, parameter_of
from optuna_bridge.system_attrs import FIXED_PARAMS


class AdoptionRefused(Exception):
    """The study cannot be read, or cannot be represented in Django exactly."""


def search_space_of(trials: Sequence[FrozenTrial]) -> SearchSpace:
    """Return the common search space of all trials, with parameters in order of appearance.

    Raises:
        AdoptionRefused: A parameter has several distributions, or no trial has parameters.
    """
    found: dict[str, BaseDistribution] = {}
    for trial in trials:
        for name, distribution in trial.distributions.items():
            if found.setdefault(name, distribution) != distribution:
                raise AdoptionRefused(
                    f'parameter "{name}" of trial {trial.number} is distributed as '
                    f"{distribution}, in an earlier trial as {found[name]}"
                )
    if not found:
        raise AdoptionRefused("no trial has parameters, so that there is no search space")
    return SearchSpace([parameter_of(name, each) for name, each in found.items()])


def constraint_names(trials: Sequence[FrozenTrial]) -> list[str]:
    """Return the names of all constraints of the trials, sorted."""
    return sorted({name for trial in trials for name in _constraints(trial)})


def constraints_of(trial: FrozenTrial, names: Sequence[str]) -> dict[str, float]:
    """Return a trial's constraints in the order of `names`, or an empty dict if it has none.

    Raises:
        AdoptionRefused: The trial has only some of the constraints.
    """
    constraints = _constraints(trial)
    if constraints and sorted(constraints) != sorted(names):
        raise AdoptionRefused(f"trial {trial.number} lacks a constraint that others have")
    return {name: constraints[name] for name in names if constraints}


def _constraints(trial: FrozenTrial) -> dict[str, float]:
    try:
        return trial.constraints
    except TypeError:  # Optuna iterates over the value without checking that it is a list
        detail = f"trial {trial.number}: /system_attrs/constraints: expected a list of numbers"
        raise AdoptionRefused(detail) from None


def params_of(trial: FrozenTrial, space: SearchSpace) -> Mapping[str, Any]:
    """Return a trial's parameters; for a WAITING trial, these include its fixed parameters."""
    is_waiting = trial.state.name == TrialState.WAITING
    fixed: Any = trial.system_attrs.get(FIXED_PARAMS, {}) if is_waiting else {}
    if not isinstance(fixed, dict):
        detail = f"trial {trial.number}: /system_attrs/{FIXED_PARAMS}: expected an object"
        raise AdoptionRefused(detail)
    if faults := space.faults(fixed):
        name, fault = faults[0]
        raise AdoptionRefused(f'trial {trial.number} is queued with parameter "{name}": {fault}')
    return fixed | trial.params


def aware(moment: datetime | None) -> Any:
    """Convert Optuna's datetime to an aware one in UTC; Optuna returns naive local times."""
    return moment and moment.astimezone(UTC)

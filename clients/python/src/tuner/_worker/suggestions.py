"""The `suggest_*` methods of a trial, as Optuna's objectives call them."""

import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from tuner.errors import SpaceMismatch
from tuner.space import (
    Categorical,
    Choice,
    Distribution,
    Float,
    Int,
    Ordinal,
    has_value,
    is_asked_as,
    show_when,
)

_Choice = TypeVar("_Choice", bound=Choice)
_Number = TypeVar("_Number", int, float)


class Suggestions(ABC):
    """Base class of what an objective receives."""

    @abstractmethod
    def _suggest(self, name: str, distribution: Distribution) -> Any: ...

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False
    ) -> float:
        """Return the value of a `Float` parameter; raises SpaceMismatch."""
        return float(self._suggest(name, Float(low, high, step, log)))

    def suggest_int(
        self, name: str, low: int, high: int, *, step: int = 1, log: bool = False
    ) -> int:
        """Return the value of an `Int` parameter; raises SpaceMismatch."""
        return int(self._suggest(name, Int(low, high, step, log)))

    def suggest_categorical(self, name: str, choices: Sequence[_Choice]) -> _Choice:
        """Return the value of a `Categorical` parameter; raises SpaceMismatch.

        It may also be an `Ordinal` parameter of the same values.
        """
        choice: _Choice = self._suggest(name, Categorical(choices))
        return choice

    def suggest_ordinal(self, name: str, values: Sequence[_Number]) -> _Number:
        """Return the value of an `Ordinal` parameter, which Optuna does not have."""
        value: _Number = self._suggest(name, Ordinal(values))
        return value

    def suggest_uniform(self, name: str, low: float, high: float) -> float:
        """Return `suggest_float(name, low, high)`; Optuna's older name."""
        return self.suggest_float(name, low, high)

    def suggest_loguniform(self, name: str, low: float, high: float) -> float:
        """Return `suggest_float(name, low, high, log=True)`; Optuna's older name."""
        return self.suggest_float(name, low, high, log=True)

    def suggest_discrete_uniform(self, name: str, low: float, high: float, q: float) -> float:
        """Return `suggest_float(name, low, high, step=q)`; Optuna's older name."""
        return self.suggest_float(name, low, high, step=q)


def value_of(
    name: str,
    asked: Distribution,
    params: Mapping[str, Any],
    space: Mapping[str, Distribution],
    study_name: str,
) -> Any:
    """Return a trial's value of a parameter that an objective asks for.

    If `params` are the search space itself, only what is asked for is checked.

    Raises:
        SpaceMismatch: the study has no such parameter, or has it with other bounds, or not in this
            trial: what an objective asks for must be what the service searches. After a change of
            the search space, a worker may go on as long as its objective gets values that it asks
            for.
    """
    if name in params and name not in space:
        return params[name]  # a retired parameter, which is a constant
    if name in space and name not in params and (when := space[name].when) is not None:
        raise SpaceMismatch(
            f'this trial of study "{study_name}" has no parameter "{name}", which a trial has only '
            f"when {show_when(when)}: ask for it under the same conditions"
        )
    if name not in space or name not in params:
        raise SpaceMismatch(
            f'study "{study_name}" has no parameter "{name}" ({asked}). Declare every parameter '
            "of the objective in `space` of `create_study`, those that it asks for in some trials "
            "only with their `when`, or add it by `Study.update`"
        )
    if not is_asked_as(space[name], asked):
        raise SpaceMismatch(
            f'parameter "{name}" of study "{study_name}" is {space[name]}, and the objective asks '
            f"for {asked}: ask for the same, or create another study"
        )
    if params is not space and not has_value(asked, params[name]):
        raise SpaceMismatch(
            f'parameter "{name}" of study "{study_name}" is {params[name]!r}, and the objective '
            f"asks for {asked}: the search space has changed, ask for that of now"
        )
    return params[name]


def as_optuna_trial(kind: type) -> None:
    """Let `isinstance(trial, optuna.trial.BaseTrial)` hold where the program uses Optuna."""
    if (optuna_trial := sys.modules.get("optuna.trial")) is not None:
        optuna_trial.BaseTrial.register(kind)

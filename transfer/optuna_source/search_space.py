"""The search space of a stock Optuna study, which follows from its trials."""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Self

from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial

from optuna_bridge.enums import TrialState
from optuna_bridge.space.search_space import SearchSpace
from optuna_bridge.system_attrs import FIXED_PARAMS
from transfer.optuna_source.conditions import inferred_conditions
from transfer.optuna_source.oddities import PLACEHOLDER, AdoptionRefused, Oddities, Rule
from transfer.optuna_source.parameters import SourceParameter, Unfit, is_finite, source_parameter

_PLACEHOLDER = {"type": "categorical", "name": PLACEHOLDER, "choices": [PLACEHOLDER]}


class SourceSpace:
    """The parameters that cover all trials of a study, in order of appearance.

    `params` has the converted parameters of each trial; those of a WAITING one are fixed.
    """

    def __init__(self, parameters: Mapping[str, SourceParameter], oddities: Oddities) -> None:
        self._parameters = parameters
        self._oddities = oddities
        self._space = self._described()
        self.params: list[dict[str, Any]] = []

    @classmethod
    def of(cls, trials: Sequence[FrozenTrial], oddities: Oddities) -> Self:
        """Return the space of a study's trials, widened to what they have.

        Raises:
            AdoptionRefused: A queued trial has fixed parameters that are no object.
        """
        parameters = {
            name: source_parameter(name, distributions, partial(_values_of, trials, name), oddities)
            for name, distributions in _distributions_of(trials, oddities).items()
        }
        space = cls(parameters, oddities)
        space.params = [space._covered(trial) for trial in trials]
        space._infer_conditions(trials)
        return space

    @property
    def description(self) -> list[dict[str, Any]]:
        """The search space in the API's terms."""
        return [each.description for each in self._parameters.values()] or [_PLACEHOLDER]

    def _is_number(self, name: str) -> bool:
        return bool(self._parameters[name].description["type"] != "categorical")

    def _described(self) -> SearchSpace:
        return SearchSpace([each.description for each in self._parameters.values()])

    def _covered(self, trial: FrozenTrial) -> dict[str, Any]:
        """Return a trial's parameters; the space is widened to those outside of it."""
        params = self._fixed(trial) | self._sampled(trial)
        for name, fault in self._space.value_faults(params):
            self._oddities.note(Rule.OUTSIDE, _reason(trial, name, fault))
            self._parameters[name].widen(params[name])
            self._space = self._described()
        return params

    def _infer_conditions(self, trials: Sequence[FrozenTrial]) -> None:
        are_complete = [trial.state.name == TrialState.COMPLETE for trial in trials]
        found = inferred_conditions(self._space, self.params, are_complete)
        for name, when in found.items():
            self._parameters[name].description["when"] = when

    def _sampled(self, trial: FrozenTrial) -> dict[str, Any]:
        params = {}
        for name, value in trial.params.items():
            if self._is_number(name) and not is_finite(value):
                self._oddities.note(Rule.NOT_FINITE, _reason(trial, name, "it is not finite"))
            else:
                params[name] = self._parameters[name].convert(value)
        return params

    def _fixed(self, trial: FrozenTrial) -> dict[str, Any]:
        """Return the parameters of a WAITING trial that are fixed."""
        fitting = {}
        for name, value in _fixed_params(trial).items():
            try:
                if name not in self._parameters:
                    raise Unfit("the search space lacks it")
                fitted = self._parameters[name].convert(value)
                if self._is_number(name) and not is_finite(fitted):
                    raise Unfit("it is not finite")
                fitting[name] = fitted
            except Unfit as error:
                self._oddities.note(Rule.QUEUED, _reason(trial, name, str(error)))
        return fitting


def _reason(trial: FrozenTrial, name: str, fault: str) -> str:
    has = "is queued with" if trial.state.name == TrialState.WAITING else "has"
    return f'trial {trial.number} {has} parameter "{name}": {fault}'


def _fixed_params(trial: FrozenTrial) -> dict[str, Any]:
    if trial.state.name != TrialState.WAITING:
        return {}
    fixed: Any = trial.system_attrs.get(FIXED_PARAMS, {})
    if not isinstance(fixed, dict):
        detail = f"trial {trial.number}: /system_attrs/{FIXED_PARAMS}: expected an object"
        raise AdoptionRefused(detail)
    return fixed


def _distributions_of(
    trials: Iterable[FrozenTrial], oddities: Oddities
) -> dict[str, list[BaseDistribution]]:
    """Return the different distributions of each parameter, in the order of appearance."""
    found: dict[str, dict[str, BaseDistribution]] = {}
    changed: set[str] = set()
    for trial in trials:
        for name, distribution in trial.distributions.items():
            known = found.setdefault(name, {})
            known.setdefault(repr(distribution), distribution)
            if len(known) > 1 and name not in changed:
                changed.add(name)
                first = next(iter(known.values()))
                reason = (
                    f'parameter "{name}" of trial {trial.number} is distributed as '
                    f"{distribution}, in an earlier trial as {first}"
                )
                oddities.note(Rule.RANGE, reason)
    if not found:
        oddities.note(Rule.NO_SPACE, "no trial has parameters, so that there is no search space")
    return {name: list(known.values()) for name, known in found.items()}


def _values_of(trials: Iterable[FrozenTrial], name: str) -> list[Any]:
    """Return the different values that trials have for a parameter."""
    found = (trial.params[name] for trial in trials if name in trial.params)
    return list({repr(value): value for value in found}.values())

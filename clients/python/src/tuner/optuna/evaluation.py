"""A trial of the service that a local trial evaluates."""

import logging
import os
from collections.abc import Mapping, MutableMapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from tuner._sync.study import Study
from tuner._sync.trial import Trial
from tuner._wire.requests import encode
from tuner.errors import LeaseLost

_log = logging.getLogger("tuner")

# Optuna tells a sampler that a trial has failed, and not why.
_REASON = "the objective raised an exception, or returned no number: the worker's log says which"


class Evaluation:
    """A running trial of the service, whose lease is renewed until the local one has ended."""

    def __init__(self, trial: Trial, resources: ExitStack) -> None:
        self.trial = trial
        self._resources = resources
        self._reported: set[int] = set()

    @classmethod
    def begin(cls, study: Study) -> "Evaluation | None":
        """Ask for a trial, and wait until there is one; None once the study has ended."""
        trials = study.loop(n_trials=1)
        trial = next(trials, None)
        if trial is None:
            return None
        trial.raises = False
        resources = ExitStack()
        resources.callback(next, trials, None)  # ends the loop, which keeps the worker's slot
        resources.enter_context(trial)
        return cls(trial, resources)

    def ending(self) -> AbstractContextManager[Any]:
        """Return a block in which to tell the result; what it raises gives the trial back."""
        return self._resources

    def should_prune(self, local: FrozenTrial) -> bool:
        """Report the new intermediate values, and tell whether to end the trial."""
        try:
            self._report(local)
        except LeaseLost:
            return True  # `tell` raises it again
        return self.trial.should_prune()

    def tell(self, local: FrozenTrial, state: TrialState, values: Sequence[float] | None) -> None:
        """Tell the result of the local trial, with all that was set on it.

        Raises:
            LeaseLost: the trial was ended without this worker.
        """
        self._report(local)
        attrs = _with_json_form(local.user_attrs)
        for name, value in getattr(local, "constraints", {}).items():  # Optuna 4 has none
            self.trial.set_constraint(name, value)
        if state == TrialState.COMPLETE:
            self.trial.complete(values, attrs=attrs)
        elif state == TrialState.PRUNED:
            self.trial.prune(attrs=attrs)
        else:
            self.trial.fail(_REASON, retry=True, attrs=attrs)

    def _report(self, local: FrozenTrial) -> None:
        """Report the values of new steps; Optuna ignores a second value of a step."""
        values = local.intermediate_values
        new = {step: value for step, value in values.items() if step not in self._reported}
        if new:
            self.trial.report(new)
            self._reported |= new.keys()


def give_back(evaluations: MutableMapping[Any, Evaluation], process: int) -> None:
    """Give running trials back to the queue, unless this is a child that was forked off."""
    while evaluations and os.getpid() == process:
        evaluations.popitem()[1].trial.give_back("the process of its local trial ended")


def _with_json_form(attrs: Mapping[str, Any]) -> dict[str, Any]:
    """Return the user attributes that the service can store; a local study takes any object."""
    kept = {}
    for key, value in attrs.items():
        try:
            encode(value)
        except (TypeError, ValueError) as error:
            _log.warning('user attribute "%s" stays in the local trial: %s', key, error)
        else:
            kept[key] = value
    return kept

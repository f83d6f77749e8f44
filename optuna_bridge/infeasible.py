"""How samplers learn from infeasible trials: as from the worst value seen, violating a constraint.

A trial whose parameters cannot be evaluated is FAIL in both schemas, and Optuna's samplers learn
nothing from failed trials. So a sampler sees it as COMPLETE, with the worst value of each objective
and of each constraint, and another constraint that it violates. All finished trials get a value for
that one then, since the Gaussian process needs the same constraints of each. A study without
infeasible trials is seen as it is, and so is one without a completed trial, which has no values.
"""

import math
from collections.abc import Mapping, Sequence
from copy import copy
from types import MappingProxyType
from typing import Any

from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from optuna_bridge.constraints import constraint_attrs, constraints_of

_NAME = "evaluable"  # of the constraint; only samplers see it
_MET, _VIOLATED = constraint_attrs({_NAME: -1.0}), constraint_attrs({_NAME: 1.0})
_WORST = constraint_attrs({_NAME: math.inf})  # after all others, whatever they violate
_LEARNT_FROM = (TrialState.COMPLETE, TrialState.PRUNED)


class LearntTrials:
    """A study's trials as its sampler sees them; brought up to date as it reads them.

    `put` may be called while another thread reads, but only one thread may read at a time.
    """

    def __init__(self, directions: Sequence[StudyDirection]) -> None:
        self._signs = [-1 if each == StudyDirection.MAXIMIZE else 1 for each in directions]
        self._worst: list[float] | None = None  # losses, one for each objective
        self._worst_constraints: dict[str, float] = {}
        self._infeasible: set[int] = set()
        self._changed: set[int] = set()  # numbers, since the last read
        self._seen: list[FrozenTrial] = []

    def put(self, trial: FrozenTrial, *, is_infeasible: bool) -> None:
        """Take a stored trial that is new or has changed."""
        if is_infeasible:
            self._infeasible.add(trial.number)
        if trial.state == TrialState.COMPLETE and self._is_worse(trial):
            self._changed.update(self._infeasible)
        if self._infeasible:
            self._changed.add(trial.number)

    def is_infeasible(self, number: int) -> bool:
        """Return whether the trial with this number is infeasible."""
        return number in self._infeasible

    def all_of(self, stored: list[FrozenTrial]) -> list[FrozenTrial]:
        """Return the stored trials, by number, as the sampler sees them."""
        if not self._infeasible or self._worst is None:
            return stored
        while self._changed:
            number = self._changed.pop()
            if number < len(self._seen):
                self._seen[number] = self.of(stored[number])
        # After the changed ones, since `put` may name a trial that has not been seen yet.
        while len(self._seen) < len(stored):
            self._seen.append(self.of(stored[len(self._seen)]))
        return self._seen

    def of(self, trial: FrozenTrial) -> FrozenTrial:
        """Return a stored trial as the sampler sees it."""
        if self._worst is None or not self._is_changed(trial):
            return trial
        if trial.number not in self._infeasible:
            return _with(trial, _MET)
        others = constraint_attrs(self._worst_constraints)  # first: their order counts
        seen = _with(trial, _VIOLATED, others)
        seen.state = TrialState.COMPLETE
        seen.values = [sign * loss for sign, loss in zip(self._signs, self._worst, strict=True)]
        return seen

    def in_columns(self, trial: FrozenTrial) -> FrozenTrial:
        """Return a stored trial as it is put into columns, once.

        There the values of an infeasible trial do not count, only that it comes after all others.
        """
        if not self._is_changed(trial):
            return trial
        if trial.number not in self._infeasible:
            return _with(trial, _MET)
        seen = _with(trial, _WORST)
        seen.state = TrialState.COMPLETE
        seen.values = [0.0] * len(self._signs)
        return seen

    def _is_changed(self, trial: FrozenTrial) -> bool:
        is_learnt_from = trial.state in _LEARNT_FROM or trial.number in self._infeasible
        return bool(self._infeasible) and is_learnt_from

    def _is_worse(self, trial: FrozenTrial) -> bool:
        """Keep the worst values and constraints, and return whether they have changed."""
        before = self._worst, self._worst_constraints
        losses = [sign * value for sign, value in zip(self._signs, trial.values, strict=True)]
        if all(map(math.isfinite, losses)):
            self._worst = list(map(max, self._worst or losses, losses))
        found, worst = constraints_of(trial.system_attrs), self._worst_constraints
        self._worst_constraints = worst | {k: max(worst.get(k, v), v) for k, v in found.items()}
        return before != (self._worst, self._worst_constraints)


def is_seen_as_infeasible(trial: FrozenTrial) -> bool:
    """Return whether a trial, as a sampler sees it, is infeasible; then its values may change."""
    [(key, _)] = _VIOLATED.items()
    return trial.system_attrs.get(key, -1.0) > 0


def _with(
    trial: FrozenTrial, attrs: Mapping[str, Any], first: Mapping[str, Any] = MappingProxyType({})
) -> FrozenTrial:
    """Return a copy of a trial with more system attributes, some of them before its own."""
    seen = copy(trial)
    seen.system_attrs = {**first, **trial.system_attrs, **attrs}
    return seen

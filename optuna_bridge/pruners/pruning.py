"""Asking a pruner about a running trial before its reported values are stored."""

from collections.abc import Collection, Container, Mapping
from copy import copy
from dataclasses import dataclass
from functools import partial
from typing import Any

import optuna
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from optuna_bridge.pruners.kind import PrunerKind
from optuna_bridge.pruners.steps import correct_rungs, reopen_last_rungs
from optuna_bridge.sampler_storage import SamplerStorage


@dataclass(frozen=True)
class PruningDecision:
    """The pruner's decision, and how it changes the trial's attributes.

    Attributes:
        should_prune: Whether it would stop the trial.
        system_attrs: The attributes that it sets: rungs of successive halving.
        dropped: The names of attributes that no longer hold, since a value was replaced.
    """

    should_prune: bool
    system_attrs: Mapping[str, Any]
    dropped: Collection[str] = ()


class PruningStorage:
    """The storage that a pruner reads: one trial has intermediate values that are not stored yet.

    It implements the methods of a storage that Optuna's pruners call. The trial is replaced and
    never changed in place, since successive halving keeps references to the trials it has read.
    """

    def __init__(self, stored: SamplerStorage[Any], trial: FrozenTrial) -> None:
        self._stored = stored
        self.trial = trial

    def get_all_trials(
        self,
        study_id: int,
        deepcopy: bool = True,
        states: Container[TrialState] | None = None,
    ) -> list[FrozenTrial]:
        trials = self._stored.stored_trials()
        trials[self.trial.number] = self.trial
        return trials if states is None else [each for each in trials if each.state in states]

    def get_trial(self, trial_id: int) -> FrozenTrial:
        is_reporting = trial_id == self.trial._trial_id
        return self.trial if is_reporting else self._stored.get_trial(trial_id)

    def set_trial_system_attr(self, trial_id: int, key: str, value: Any) -> None:
        self.trial = copy(self.get_trial(trial_id))
        self.trial.system_attrs = self.trial.system_attrs | {key: value}

    def get_study_directions(self, study_id: int) -> list[StudyDirection]:
        return [self._stored.pruning_direction]

    def get_study_id_from_name(self, study_name: str) -> int:
        return self._stored.get_study_id_from_name(study_name)

    def get_study_name_from_id(self, study_id: int) -> str:
        return self._stored.get_study_name_from_id(study_id)


def ask_pruner(
    pruner: BasePruner,
    storage: SamplerStorage[Any],
    trial: FrozenTrial,
    steps: Mapping[int, float],
    *,
    kind: PrunerKind,
    sampler: BaseSampler,
) -> PruningDecision:
    """Ask a pruner for a decision, as `optuna.Trial.should_prune` does after `steps` are reported.

    If a step is stored already, its value is replaced, and the pruner decides again.

    Args:
        pruner: The study's pruner.
        storage: The study's trials as they are stored; not read if the pruner reads no trials.
        trial: One of them, which is RUNNING, without the reported values.
        steps: The reported intermediate values.
        kind: The pruner's entry in the registry.
        sampler: The study's sampler; without it Optuna would build another one.
    """
    reporting = copy(trial)
    reporting.intermediate_values = trial.intermediate_values | dict(steps)
    if steps.keys() & trial.intermediate_values.keys():
        rungs = partial(kind.rungs, pruner, storage.study.name, trial.number)
        old, new = trial.intermediate_values, reporting.intermediate_values
        if (first_steps := rungs()) is not None:
            attrs = correct_rungs(trial.system_attrs, first_steps, old, new)
            reporting.system_attrs = reopen_last_rungs(attrs, rungs() or (), new)
    seen: Any = PruningStorage(storage, reporting)
    study = optuna.Study(storage.study.name, seen, sampler=sampler, pruner=pruner)
    should_prune = bool(pruner.prune(study, reporting))  # it may be a NumPy bool
    before, after = trial.system_attrs, seen.trial.system_attrs
    changed = {key: each for key, each in after.items() if before.get(key) != each}
    return PruningDecision(should_prune, changed, before.keys() - after.keys())

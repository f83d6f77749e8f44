"""Asking a study's pruner about a running trial, before what it reports is stored."""

from collections.abc import Container, Mapping
from copy import copy
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from trials.sampling.session import SamplerSession


@dataclass(frozen=True)
class PruningDecision:
    """What the pruner says, and what it notes on the trial (the rungs of successive halving)."""

    should_prune: bool
    system_attrs: Mapping[str, Any]


class JudgedStorage:
    """What a pruner sees: a history in which one trial has reported more than is stored.

    It answers what Optuna's pruners ask of a storage. The trial is replaced and never changed in
    place: successive halving holds on to those that it has read.
    """

    def __init__(self, history: SamplerSession, trial: FrozenTrial) -> None:
        self._history = history
        self.trial = trial

    def get_all_trials(
        self,
        study_id: int,
        deepcopy: bool = True,
        states: Container[TrialState] | None = None,
    ) -> list[FrozenTrial]:
        trials = self._history.get_all_trials(study_id)
        trials[self.trial.number] = self.trial
        return trials if states is None else [each for each in trials if each.state in states]

    def get_trial(self, trial_id: int) -> FrozenTrial:
        is_judged = trial_id == self.trial._trial_id
        return self.trial if is_judged else self._history.get_trial(trial_id)

    def set_trial_system_attr(self, trial_id: int, key: str, value: Any) -> None:
        self.trial = copy(self.get_trial(trial_id))
        self.trial.system_attrs = self.trial.system_attrs | {key: value}

    def get_study_directions(self, study_id: int) -> list[StudyDirection]:
        return [self._history.pruning_direction]

    def get_study_id_from_name(self, study_name: str) -> int:
        return self._history.get_study_id_from_name(study_name)

    def get_study_name_from_id(self, study_id: int) -> str:
        return self._history.get_study_name_from_id(study_id)


def judge(
    history: SamplerSession, number: int, steps: Mapping[int, float]
) -> PruningDecision | None:
    """What the pruner says of a running trial once it has reported these steps, too.

    As `optuna.Trial.should_prune` after reports of them. None: the study has no pruner, the trial
    does not run, or nothing of it is new.
    """
    trial = history.running(number)
    if trial is None or steps.keys() <= trial.intermediate_values.keys():
        return None
    judged = copy(trial)
    judged.intermediate_values = dict(steps) | trial.intermediate_values
    storage: Any = JudgedStorage(history, judged)
    study = optuna.Study(
        history.study.name, storage, sampler=history.optuna_study.sampler, pruner=history.pruner
    )
    should_prune = bool(history.pruner.prune(study, judged))  # NumPy has a bool of its own
    before = trial.system_attrs
    noted = {key: each for key, each in storage.trial.system_attrs.items() if key not in before}
    return PruningDecision(should_prune, noted)

"""The storage that a sampler reads: a study's committed trials, and drafts of new ones.

Optuna's samplers write into drafts only. Trials are replaced by changed copies and never changed in
place, since samplers and pruners keep references to the trials that they have read (otherwise
successive halving would see its own rung twice); only the parameters of a draft are, while it is
drawn.
"""

from collections.abc import Container, Mapping, Sequence
from copy import copy
from typing import Any, Generic, TypeVar

import optuna
from optuna.distributions import BaseDistribution
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial, TrialState

from optuna_bridge.constraints import constraints_of
from optuna_bridge.drafts import DraftTrial
from optuna_bridge.frozen_trials import DIRECTIONS, FrozenTrials, StudyDefinition
from optuna_bridge.infeasible import LearntTrials
from optuna_bridge.samplers.trial_columns import TrialColumns
from optuna_bridge.space.conditions import Conditions
from optuna_bridge.suggestion import Suggestion

_WITH_RESULT = (TrialState.COMPLETE, TrialState.PRUNED)


D = TypeVar("D", bound=DraftTrial)


class SamplerStorage(FrozenTrials, Generic[D]):
    """The storage through which Optuna's samplers and pruners read committed trials and drafts.

    If the parameters' `names` are given, it keeps the trials in columns, too (`ColumnStorage`).
    """

    def __init__(
        self,
        study: StudyDefinition,
        *,
        pruning_direction: str,
        names: Sequence[str] | None = None,
        numbers_per_point: int = 1,
    ) -> None:
        """Create a storage without trials.

        `numbers_per_point` is the number of trials that repeat each point. If it is above 1, the
        storage keeps the trials both as samplers see them and as they are stored.
        """
        super().__init__(study)
        self.numbers_per_point = numbers_per_point
        self._stored = self._trials if numbers_per_point == 1 else []
        self.pruning_direction = DIRECTIONS[pruning_direction]
        self._learnt = LearntTrials(self._directions)
        self.columns: TrialColumns | None = None
        if names is not None:
            self.columns = TrialColumns(names, len(self._directions), self.pruning_direction)
        self._study_attrs: dict[str, Any] = {}
        self._drafts: dict[int, D] = {}
        self._drawing: D | None = None
        self._n_notes = 0  # intermediate values and system attributes of all committed trials

    def __len__(self) -> int:
        """The number of committed trials."""
        return len(self._trials)

    def as_study(self, sampler: BaseSampler, pruner: BasePruner) -> optuna.Study:
        """Return an Optuna study on this storage, which its sampler reads while it draws."""
        return optuna.Study(self.study.name, self, sampler=sampler, pruner=pruner)

    def running_trial(self, number: int) -> FrozenTrial | None:
        """Return the committed trial of a number, or None if there is none or it is not RUNNING."""
        trial = self._stored[number] if number < len(self._stored) else None
        return trial if trial is not None and trial.state == TrialState.RUNNING else None

    def draw_into(
        self,
        draft: D,
        study: optuna.Study,
        distributions: Mapping[str, BaseDistribution],
        *,
        conditions: Conditions | None = None,
        annotates: bool = False,
    ) -> None:
        """Let the study's sampler suggest the draft's parameters; drop the draft on an error.

        Args:
            draft: An empty draft.
            study: An Optuna study on this storage.
            distributions: The parameters to suggest.
            conditions: The conditions with which the trial has them.
            annotates: Whether the sampler has to set its attributes on the draft, which it does
                when it draws jointly, even if each parameter is fixed.
        """
        self._drawing = draft
        self._drafts[draft.trial._trial_id] = draft
        try:
            suggestion = Suggestion(study, draft.trial._trial_id)
            draft.internal_params = suggestion.draw(distributions, conditions)
            draft.is_joint = suggestion.is_joint
            if annotates:
                suggestion.draw_jointly()
        except BaseException:
            self._drop(draft)
            raise
        finally:
            self._drawing = None

    def _drop(self, draft: D) -> None:
        self._drafts.pop(draft.trial._trial_id, None)

    def _listed_drafts(self) -> list[D]:
        """Return a copy of the list of drafts, since other threads may add and drop some."""
        return list(self._drafts.values())

    def _put(self, trial: FrozenTrial, *, is_infeasible: bool = False) -> None:
        self._put_into(self._trials, trial)
        self._learnt.put(trial, is_infeasible=is_infeasible)

    def _put_into(self, trials: list[FrozenTrial], trial: FrozenTrial) -> None:
        if trial.number == len(trials):
            trials.append(trial)
        else:
            self._n_notes -= _n_notes(trials[trial.number])
            trials[trial.number] = trial
        self._n_notes += _n_notes(trial)

    def _has_lost_result(self, trial: FrozenTrial) -> bool:
        """Return whether a stored trial had a result when it was last read, and has none now."""
        if trial.state != TrialState.FAIL or trial.number >= len(self._stored):
            return False
        return self._stored[trial.number].state in _WITH_RESULT

    def _has_another_result(self, trial: FrozenTrial, *, is_infeasible: bool) -> bool:
        """Return whether the sampler may have learnt from another result of a trial."""
        if trial.number >= len(self._trials):
            return False
        before = self._trials[trial.number]
        was_infeasible = self._learnt.is_infeasible(trial.number)
        if before.state not in _WITH_RESULT and not was_infeasible:
            return False
        return was_infeasible != is_infeasible or _result(before) != _result(trial)

    def stored_trials(self) -> list[FrozenTrial]:
        """Return committed trials as they are stored, by number, then visible drafts."""
        return self._stored + self._visible_drafts()

    def _visible_drafts(self) -> list[FrozenTrial]:
        return [each.trial for each in self._listed_drafts() if each.is_visible]

    # What Optuna reads -----------------------------------------------------------------------

    def get_all_trials(
        self,
        study_id: int,
        deepcopy: bool = True,
        states: Container[TrialState] | None = None,
    ) -> list[FrozenTrial]:
        """Return committed trials by number, then visible drafts; `deepcopy` is ignored.

        Infeasible trials are seen as in `LearntTrials`. Only the thread that draws may call this.
        """
        trials = self._learnt.all_of(self._trials) + self._visible_drafts()
        return trials if states is None else [each for each in trials if each.state in states]

    def drafted_params(self) -> dict[int, Mapping[str, float]]:
        """Return the parameters of the drafts, by number; a draft that is being drawn has none."""
        return {draft.number: draft.internal_params for draft in self._listed_drafts()}

    def get_trial(self, trial_id: int) -> FrozenTrial:
        draft = self._drafts.get(trial_id)
        return self._learnt.of(super().get_trial(trial_id)) if draft is None else draft.trial

    def get_study_system_attrs(self, study_id: int) -> dict[str, Any]:
        drafts = [draft.study_attrs for draft in self._listed_drafts()]
        return {key: value for attrs in drafts for key, value in attrs.items()} | self._study_attrs

    def stored_study_attrs(self) -> Mapping[str, Any]:
        """Return the committed attributes of the study; never change them."""
        return self._study_attrs

    # What Optuna writes while it draws -------------------------------------------------------

    def set_trial_system_attr(self, trial_id: int, key: str, value: Any) -> None:
        trial = copy(self.get_trial(trial_id))
        trial.system_attrs = trial.system_attrs | {key: value}
        self._replace(trial)

    def set_study_system_attr(self, study_id: int, key: str, value: Any) -> None:
        if self._drawing is None:
            self._refused()
        self._drawing.set_study_attr(key, value)

    def _replace(self, trial: FrozenTrial) -> None:
        draft = self._drafts.get(trial._trial_id)
        if draft is None:
            self._put(trial)
        else:
            draft.replace(trial)


def _result(trial: FrozenTrial) -> tuple[TrialState, list[float] | None, dict[str, Any]]:
    return trial.state, trial.values, constraints_of(trial.system_attrs)


def _n_notes(trial: FrozenTrial) -> int:
    return len(trial.intermediate_values) + len(trial.system_attrs)

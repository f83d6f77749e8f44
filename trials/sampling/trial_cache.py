"""What is known of a study's trials: kept in this process, and brought up to date.

An ask through Optuna's own storage costs dozens of statements, nearly all of them to read again
what was known. Here what has changed since is read, in one.
"""

import threading
from collections.abc import Container
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from optuna_bridge.frozen_trials import DIRECTIONS, FrozenTrials, frozen_trial
from optuna_bridge.pruners import PRUNERS
from optuna_bridge.samplers.registry import SAMPLERS
from optuna_bridge.samplers.trial_columns import TrialColumns
from studies.enums import Duplicates
from studies.models import Study
from trials.models import Trial
from trials.models.managers import TrialQuerySet
from trials.sampling.drafts import Draft
from trials.sampling.visited_points import VisitedPoints
from tuner_project.db.prepared import Parameter, PreparedQuery

_COLUMNS = ("revision", "study_attrs", "number", "id", "state", "values", "system_attrs")
_STEP_COLUMNS = ("steps", "step_values")


class TrialCache(FrozenTrials):
    """A study's trials as Optuna's FrozenTrials, and the drafts of those that are being asked for.

    Optuna reads it as a storage. Trials are replaced and never changed in place: Optuna's pruners
    rely on that. So reading needs no lock; what a sampler reads while it draws, the columns and
    the drafts, is changed by `settle` alone.
    """

    study: Study

    def __init__(self, study: Study) -> None:
        super().__init__(study)
        self._space = study.space
        self.pruning_direction = DIRECTIONS[study.pruning_direction or study.directions[0]]
        sampler, pruner = SAMPLERS[study.sampler], PRUNERS[study.pruner]
        self._with_steps = sampler.reads_steps or pruner.reads_steps
        self._revision = 0
        self._waiting: set[int] = set()
        self._study_attrs: dict[str, Any] = {}
        self._drafts: dict[int, Draft] = {}
        self._reading = threading.Lock()
        is_avoiding = study.duplicates == Duplicates.AVOID
        self.taken = VisitedPoints(study) if is_avoiding else None
        self.columns: TrialColumns | None = None
        self._not_in_columns: list[tuple[FrozenTrial, list[float | None]]] = []
        if sampler.reads_columns:
            names = list(self._space.distributions)
            self.columns = TrialColumns(names, len(self._directions), self.pruning_direction)

    def __len__(self) -> int:
        return len(self._trials)

    @property
    def n_left(self) -> int | None:
        """The points that are left as far as is known; None: no matter, or endless."""
        return None if self.taken is None else self.taken.n_left

    @property
    def revision(self) -> int:
        """The study's revision up to which it is known."""
        return self._revision

    @property
    def has_queue(self) -> bool:
        """Whether trials wait, as far as is known."""
        return bool(self._waiting)

    def sync(self) -> None:
        """Read the trials that were written since the last time, in one statement.

        Every write raises the study's revision under the study's lock, so that revisions are
        committed in their order and none is ever missed.
        """
        with self._reading:
            # Those that are over by now were committed before what is read next, or never will be.
            over = [draft for draft in list(self._drafts.values()) if draft.is_over]
            latest = self._revision
            changed: list[tuple[FrozenTrial, list[float | None]]] = []
            noted: dict[int, dict[str, Any]] = {}  # on the study, by trial
            query = _WRITTEN_WITH_STEPS if self._with_steps else _WRITTEN
            for row in query.rows(study=self.study.id, revision=self._revision):
                latest, study_attrs, *of_trial, internal_params = row
                trial, internal_params = self._read(internal_params, *of_trial)
                changed.append((trial, internal_params))
                if study_attrs:
                    noted[trial.number] = study_attrs
            changed.sort(key=lambda each: each[0].number)
            for trial, _ in changed:
                self._put(trial)
            for _, attrs in sorted(noted.items()):  # of one key the first trial's counts
                self._study_attrs = attrs | self._study_attrs
            if self.columns is not None:
                self._not_in_columns += changed
            for draft in list(self._drafts.values()):
                draft.is_known = draft.is_known or draft in over or self._has(draft.number)
            self._revision = latest  # last: what is cut off in between is read again

    def settle(self) -> None:
        """Bring what a sampler reads while it draws up to date: the columns, and the drafts."""
        with self._reading:
            changed, self._not_in_columns = self._not_in_columns, []
            for draft in list(self._drafts.values()):
                if draft.is_known:
                    self._drop(draft)
        if self.columns is not None:
            self.columns.put(*zip(*changed, strict=True) if changed else ((), ()))

    def _has(self, number: int | None) -> bool:
        """Whether the trial of this number is known, and does not wait any more."""
        return number is not None and number < len(self._trials) and number not in self._waiting

    def _read(
        self,
        internal_params: list[float | None],
        number: int,
        trial_id: int,
        state: str,
        *rest: Any,
    ) -> tuple[FrozenTrial, list[float | None]]:
        """A trial as a sampler sees it, and its parameters; one that waits has none."""
        if self.taken is not None:
            self.taken.note(number, internal_params, state)
        if state == "WAITING":
            self._waiting.add(number)
            internal_params = [None] * len(internal_params)
        else:
            self._waiting.discard(number)
        # No sampler and no pruner asks for user attributes, or when.
        trial = frozen_trial(self._space, internal_params, number, trial_id, state, *rest)
        return trial, internal_params

    def _put(self, trial: FrozenTrial) -> None:
        if trial.number == len(self._trials):
            self._trials.append(trial)
        else:
            self._trials[trial.number] = trial

    def _drop(self, draft: Draft) -> None:
        self._drafts.pop(draft.trial._trial_id, None)

    # What Optuna reads -----------------------------------------------------------------------

    def get_all_trials(
        self,
        study_id: int,
        deepcopy: bool = True,
        states: Container[TrialState] | None = None,
    ) -> list[FrozenTrial]:
        """The trials by number; as they are, whatever `deepcopy`: nobody changes them."""
        if states == (TrialState.WAITING,):
            return []  # Study.ask would take one; ours are taken from the database
        drafts = [draft.trial for draft in list(self._drafts.values()) if not draft.is_known]
        trials = self._trials + drafts
        return trials if states is None else [each for each in trials if each.state in states]

    def drafts(self) -> list[FrozenTrial]:
        """The trials that are being sampled, or are not in the columns."""
        return [draft.trial for draft in list(self._drafts.values())]

    def get_trial(self, trial_id: int) -> FrozenTrial:
        draft = self._drafts.get(trial_id)
        return super().get_trial(trial_id) if draft is None else draft.trial

    def get_study_system_attrs(self, study_id: int) -> dict[str, Any]:
        drafts = [draft.study_attrs for draft in list(self._drafts.values())]
        return {key: value for attrs in drafts for key, value in attrs.items()} | self._study_attrs


def _written() -> TrialQuerySet:
    """The study's trials that were written after a revision.

    In the order of the index, so that no plan reads the others.
    """
    trials = Trial.objects.filter(study_id=Parameter("study"), revision__gt=Parameter("revision"))
    return trials.order_by("revision")


_WRITTEN = PreparedQuery(lambda: _written().values_list(*_COLUMNS, "internal_params"))
_WRITTEN_WITH_STEPS = PreparedQuery(
    lambda: _written().with_steps().values_list(*_COLUMNS, *_STEP_COLUMNS, "internal_params")
)

"""What is known of a study's trials: kept in this process, and brought up to date.

An ask through Optuna's own storage costs dozens of statements, nearly all of them to read again
what was known. Here what has changed since is read, in one.
"""

import threading
from typing import Any

from optuna_bridge.frozen_trials import frozen_trial
from optuna_bridge.pruners import PRUNERS
from optuna_bridge.sampler_storage import CommittedTrial, SamplerStorage
from optuna_bridge.samplers.registry import SAMPLERS
from studies.enums import Duplicates
from studies.models import Study
from trials.models import Trial
from trials.models.managers import TrialQuerySet
from trials.sampling.drafts import Draft
from trials.sampling.visited_points import VisitedPoints
from tuner_project.db.prepared import Parameter, PreparedQuery

_COLUMNS = ("revision", "study_attrs", "number", "id", "state", "values", "system_attrs")
_STEP_COLUMNS = ("steps", "step_values")


class TrialCache(SamplerStorage[Draft]):
    """The committed trials of a study as they were last read, and drafts of new ones.

    Optuna reads it as a storage. Trials are replaced and never changed in place, so that reading
    needs no lock. `sync` may run at any time. What a sampler reads while it draws, the columns and
    the list of drafts, changes in `apply_pending` alone.
    """

    study: Study

    def __init__(self, study: Study) -> None:
        sampler, pruner = SAMPLERS[study.sampler], PRUNERS[study.pruner]
        self._space = study.space
        super().__init__(
            study,
            pruning_direction=study.pruning_direction or study.directions[0],
            names=list(self._space.distributions) if sampler.reads_columns else None,
        )
        self._with_steps = sampler.reads_steps or pruner.reads_steps
        self._revision = 0
        self._waiting: set[int] = set()
        self._reading = threading.Lock()
        is_avoiding = study.duplicates == Duplicates.AVOID
        self.visited = VisitedPoints(study) if is_avoiding else None
        self._pending: list[CommittedTrial] = []  # read, and not in the columns yet

    @property
    def n_left(self) -> int | None:
        """The number of unvisited points as far as is known.

        None where duplicates are allowed, or the space is endless.
        """
        return None if self.visited is None else self.visited.n_left

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
            # What was closed by now was committed before the next read, or never will be.
            closed = [draft for draft in self._listed_drafts() if draft.is_closed]
            latest, written, study_attrs = self._read_written()
            for trial, _ in written:
                self._put(trial)
            if study_attrs:  # of one key the first counts
                self._study_attrs = study_attrs | self._study_attrs
            if self.columns is not None:
                self._pending += written
            for draft in self._listed_drafts():
                if draft in closed or self._has(draft.reserved_number):
                    draft.supersede()
            self._revision = latest  # last: what is cut off in between is read again

    def apply_pending(self) -> None:
        """Bring the columns up to date, and drop the drafts whose trials were read.

        Called by the thread that draws, before it does.
        """
        with self._reading:
            pending, self._pending = self._pending, []
            for draft in self._listed_drafts():
                if draft.is_superseded:
                    self._drop(draft)
        if self.columns is not None:
            self.columns.put(*zip(*pending, strict=True) if pending else ((), ()))

    def _read_written(self) -> tuple[int, list[CommittedTrial], dict[str, Any]]:
        """The latest revision, the trials written since the last one, and attributes of the study.

        Trials are by number; of an attribute that several of them set the first trial's counts.
        """
        latest = self._revision
        written: list[CommittedTrial] = []
        attrs_by_number: dict[int, dict[str, Any]] = {}
        query = _WRITTEN_WITH_STEPS if self._with_steps else _WRITTEN
        for row in query.rows(study=self.study.id, revision=self._revision):
            latest, study_attrs, *of_trial, internal_params = row
            committed = self._committed(internal_params, *of_trial)
            written.append(committed)
            if study_attrs:
                attrs_by_number[committed.trial.number] = study_attrs
        written.sort(key=lambda each: each.trial.number)
        first: dict[str, Any] = {}
        for _, attrs in sorted(attrs_by_number.items()):
            first = attrs | first
        return latest, written, first

    def _committed(
        self,
        internal_params: list[float | None],
        number: int,
        trial_id: int,
        state: str,
        *rest: Any,
    ) -> CommittedTrial:
        """A trial as a sampler sees it; one that waits has no parameters."""
        if self.visited is not None:
            self.visited.update(number, internal_params, state)
        if state == "WAITING":
            self._waiting.add(number)
            internal_params = [None] * len(internal_params)
        else:
            self._waiting.discard(number)
        # No sampler and no pruner asks for user attributes, or when.
        trial = frozen_trial(self._space, internal_params, number, trial_id, state, *rest)
        return CommittedTrial(trial, internal_params)

    def _has(self, number: int | None) -> bool:
        """Whether the trial of this number is known, and does not wait any more."""
        return number is not None and number < len(self._trials) and number not in self._waiting


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

"""A cache of a study's trials in this process, and how it is kept up to date.

An ask through Optuna's own storage takes dozens of statements, nearly all of which read unchanged
data again. Here one statement reads only the changes.
"""

import threading
from collections.abc import Mapping, Sequence
from typing import Any

from optuna_bridge.drafts import CommittedTrial
from optuna_bridge.frozen_trials import frozen_trial
from optuna_bridge.pruners.registry import PRUNERS
from optuna_bridge.repeats.grouped_trials import Group, GroupedTrials
from optuna_bridge.sampler_storage import SamplerStorage
from optuna_bridge.samplers.registry import SAMPLERS
from optuna_bridge.system_attrs import without_place
from studies.enums import Duplicates
from studies.models import Study
from trials.sampling.drafts import Draft
from trials.sampling.visited_points import VisitedPoints
from trials.sampling.written_trials import GROUP_COLUMNS, QUERIES


class SessionOutdated(Exception):
    """Raised if the search space has changed, or a result that a sampler has learnt from is gone.

    Samplers keep what they have learnt in many places, so the session has to be built anew.
    """


class TrialCache(SamplerStorage[Draft]):
    """The committed trials of a study as they were last read, and drafts of new ones.

    Optuna reads it as a storage. Trials are replaced and never changed in place, so that reading
    needs no lock. `sync` may run at any time. The columns, which a sampler reads while it draws,
    are changed only by `apply_pending`, which also drops superseded drafts.
    """

    study: Study

    def __init__(self, study: Study) -> None:
        sampler, pruner = SAMPLERS[study.sampler], PRUNERS[study.pruner]
        self._space = study.current.space.as_sampled
        self._restarts_with_space = sampler.restarts_with_space
        pruning_direction = study.pruning_direction or study.directions[0]
        super().__init__(
            study,
            pruning_direction=pruning_direction,
            names=list(self._space.distributions) if sampler.reads_columns else None,
            numbers_per_point=study.n_repeats,
        )
        self._groups: GroupedTrials | None = None
        if study.repeated is not None:
            self._groups = GroupedTrials(
                self._space, study.repeated, study.constraints, pruning_direction
            )
        self._with_steps = sampler.reads_steps or (pruner.reads_steps and pruner.reads_trials)
        self._revision = 0
        self._waiting: set[int] = set()
        self._reading = threading.Lock()
        is_avoiding = study.duplicates == Duplicates.AVOID
        self.visited = VisitedPoints(study) if is_avoiding else None
        self._pending: list[CommittedTrial] = []  # read, and not in the columns yet

    @property
    def n_left(self) -> int | None:
        """The number of unvisited points, as of the last read.

        None if duplicates are allowed, or the space is infinite.
        """
        return None if self.visited is None else self.visited.n_left

    @property
    def revision(self) -> int:
        """The study's revision up to which its trials have been read."""
        return self._revision

    @property
    def has_queue(self) -> bool:
        """Whether trials wait in the queue, as of the last read."""
        return bool(self._waiting)

    def sync(self, worker_id: str = "") -> bool:
        """Read the trials that were written since the last call, in one statement.

        Every write increments the study's revision under the study's lock, so that revisions are
        committed in order and none is ever missed.

        Returns:
            Whether the worker, if one is given, holds running trials.

        Raises:
            SessionOutdated: the search space has changed, or a result that was read before has
                been invalidated.
        """
        with self._reading:
            # Drafts that are closed by now were committed before the read below, or never will be.
            closed = [draft for draft in self._listed_drafts() if draft.is_closed]
            latest, written, study_attrs, is_holding, groups = self._read_written(worker_id)
            if any(self._has_lost_result(each.trial) for each in written):
                raise SessionOutdated
            if self._groups is not None:
                written = self._seen(self._groups, written, groups)
            for each in written:
                self._put(each.trial, is_infeasible=each.is_infeasible)
            if study_attrs:  # the first value of a key counts
                self._study_attrs = study_attrs | self._study_attrs
            if self.columns is not None:
                self._pending += written
            for draft in self._listed_drafts():
                if draft in closed or self._has(draft.reserved_number):
                    draft.supersede()
            self._revision = latest  # last, so that an interrupted call reads everything again
            return is_holding

    def _seen(
        self,
        groups: GroupedTrials,
        written: Sequence[CommittedTrial],
        group_of: Mapping[int, Group],
    ) -> list[CommittedTrial]:
        """Keep trials of a study with repeats as they are stored; return them as samplers see them.

        Raises:
            SessionOutdated: a point that was read before has another result.
        """
        for trial, *_ in written:
            self._put_into(self._stored, trial)
            groups.put(trial, group_of[trial.number])
        seen = [groups.seen(each, group_of[each.trial.number], self._stored) for each in written]
        for trial, _, is_infeasible in seen:
            if self._has_another_result(trial, is_infeasible=is_infeasible):
                raise SessionOutdated
        return seen

    def apply_pending(self) -> None:
        """Update the columns, and drop the superseded drafts.

        It is called by the thread that draws, before it does.
        """
        with self._reading:
            pending, self._pending = self._pending, []
            for draft in self._listed_drafts():
                if draft.is_superseded:
                    self._drop(draft)
        if self.columns is not None:
            seen = [self._learnt.in_columns(each.trial) for each in pending]
            self.columns.put(seen, [each.internal_params for each in pending])

    def _read_written(
        self, worker_id: str
    ) -> tuple[int, list[CommittedTrial], dict[str, Any], bool, dict[int, Group]]:
        """Read the latest revision, the trials written since the last one, and study attributes.

        The last items of the result are whether the worker holds running trials, and the groups of
        repeats by the trials' numbers. Trials are ordered by number; if several set the same
        attribute, the first one counts.
        """
        latest = self._revision
        written: list[CommittedTrial] = []
        attrs_by_number: dict[int, dict[str, Any]] = {}
        groups: dict[int, Group] = {}
        n_of_group = 0 if self._groups is None else len(GROUP_COLUMNS)
        query = QUERIES[self._with_steps, self._groups is not None]
        arguments = {"study": self.study.id, "revision": self._revision, "worker": worker_id}
        is_holding = False
        # Row by row, since all rows of a large study at a time would take a third more memory.
        for holds, version, revision, attrs, *of_trial, internal_params in query.rows(**arguments):
            is_holding = holds
            self.check_version(version)
            if revision is None:
                break  # nothing was written
            latest = revision
            learnt = self.study.current.as_learnt(internal_params)
            committed = self._committed(internal_params, learnt, *of_trial[n_of_group:])
            written.append(committed)
            if n_of_group:
                # A point outside of the current space is at none of its groups.
                group = Group(None) if learnt is None else Group(*of_trial[:n_of_group])
                groups[committed.trial.number] = group
            if attrs:
                attrs_by_number[committed.trial.number] = attrs
        written.sort(key=lambda each: each.trial.number)
        first: dict[str, Any] = {}
        for _, attrs in sorted(attrs_by_number.items()):
            first = attrs | first
        return latest, written, first, is_holding, groups

    def _committed(
        self,
        internal_params: list[float | None],
        learnt: Sequence[float | None] | None,
        number: int,
        trial_id: int,
        state: str,
        has_run: bool,
        infeasible: bool,
        version: int,
        values: list[float] | None,
        system_attrs: dict[str, Any],
        *steps: Any,
    ) -> CommittedTrial:
        """Build a trial as a sampler sees it, with what it may learn of the parameters.

        A WAITING one has no parameters, and neither has one that is outside of the current space;
        if that has ended, it seems to have failed, so that samplers and pruners do without it.
        """
        nothing: list[float | None] = [None] * len(internal_params)
        if self.visited is not None:
            kept = "COMPLETE" if infeasible else state  # an infeasible point is visited
            at = self.study.current.as_visited(internal_params)
            self.visited.update(number, nothing if at is None else at, kept, has_run=has_run)
        if learnt is None and state not in ("WAITING", "RUNNING"):
            state, values, system_attrs, infeasible = "FAIL", None, {}, False
        elif version < self.study.search_space_version and self._restarts_with_space:
            system_attrs = without_place(system_attrs)
        if state == "WAITING":
            self._waiting.add(number)
            learnt = None
        else:
            self._waiting.discard(number)
        params = nothing if learnt is None else list(learnt)
        # User attributes and times are left out, since no sampler or pruner reads them.
        trial = frozen_trial(
            self._space, params, number, trial_id, state, values, system_attrs, *steps
        )
        return CommittedTrial(trial, params, infeasible)

    def check_version(self, version: int | None) -> None:
        """Raise `SessionOutdated` if a version of the search space is not the session's.

        It is None if the study was deleted, which others find out.
        """
        if version not in (None, self.study.search_space_version):
            raise SessionOutdated

    def _has(self, number: int | None) -> bool:
        """Return whether the trial with this number was read, and is not WAITING."""
        return number is not None and number < len(self._trials) and number not in self._waiting

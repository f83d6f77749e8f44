"""Bulk storage of the trials of a new study."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from django.db import connection

from studies.domain.limits import check_room_for_trials
from studies.models import Study
from transfer.domain.attachments import store_attachments
from transfer.file.format import all_parents, renumbered
from trials.domain.trial_result import mark_front
from trials.models import Trial

CHUNK = 500  # trials per write
MAX_BYTES = 4 * 2**20  # bytes of trials per write


class TrialWriter:
    """Buffered writer for the trials of a study that was created in the same transaction.

    Trials must come in the order of their numbers. The study's counters, its best trial or Pareto
    front, and Optuna's schema are updated, too.
    """

    def __init__(self, study: Study) -> None:
        self._study = study
        self._pending: list[Trial] = []
        self._size = 0
        self.n_written = 0
        self._next_planning = 1

    def put(self, trial: Trial, size: int = 0) -> None:
        """Add a trial of about `size` bytes to the buffer; write the buffer if it is full."""
        self._pending.append(trial)
        self._size += size
        if len(self._pending) >= CHUNK or self._size >= MAX_BYTES:
            self.flush()

    def flush(self) -> None:
        """Write the buffered trials."""
        trials, self._pending, self._size = self._pending, [], 0
        if not trials:
            return
        check_room_for_trials(self._study, len(trials))
        failures = sum(trial.is_failure for trial in trials)
        states = Counter(trial.state for trial in trials)
        infeasible = sum(trial.infeasible for trial in trials)
        reserved = Trial.objects.reserve(self._study, states, failures, infeasible)
        for trial, trial_id in zip(trials, reserved.ids, strict=True):
            trial.id = trial.id or trial_id  # an adopted trial keeps its id
            trial.revision = reserved.revision
        mark_front(self._study, trials)
        steps = [
            (trial, step, value)
            for trial in trials
            for step, value in zip(trial.steps, trial.step_values, strict=True)
        ]
        Trial.objects.add(trials, steps, study=self._study)
        store_attachments(trials)
        self.n_written += len(trials)
        self._plan_anew()

    def finish(self) -> None:
        """Write what is left in the buffer, and the results of groups of repeats."""
        self.flush()
        if self._study.repeats is not None:
            Trial.objects.settle_all(self._study)

    def _plan_anew(self) -> None:
        """Discard the cached plans of foreign key checks, which were made for empty tables."""
        if self.n_written >= self._next_planning:
            with connection.cursor() as cursor:
                cursor.execute("DISCARD PLANS")
            self._next_planning = 4 * self.n_written


def store_notes(study: Study, notes: Mapping[int, Mapping[str, Any]]) -> None:
    """Store the attributes that samplers set on the study, by the number of the trial drawn.

    Parents in their values are given by trial number, and are stored by trial id.
    """
    if not notes:
        return
    named = Trial.objects.filter(study_id=study.id, number__in=all_parents(list(notes.values())))
    ids = dict(named.values_list("number", "id"))
    by_id = {trial: renumbered(attrs, ids.get) for trial, attrs in notes.items()}
    Trial.objects.add_study_attrs(study, by_id)

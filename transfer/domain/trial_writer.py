"""Storing the trials of a new study, in chunks."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from django.db import connection

from studies.domain.limits import check_room_for_trials
from studies.models import Study
from transfer.file.format import all_parents, renumbered
from trials.domain.trial_result import mark_front
from trials.models import Trial

CHUNK = 500  # trials that are stored at once
MAX_BYTES = 4 * 2**20  # and what they may take


class TrialWriter:
    """Stores trials of a study that was made in this transaction, in the order of their numbers.

    The study's counts, its best trial or front, and Optuna's schema follow.
    """

    def __init__(self, study: Study) -> None:
        self._study = study
        self._pending: list[Trial] = []
        self._size = 0
        self.n_written = 0
        self._next_planning = 1

    def put(self, trial: Trial, size: int = 0) -> None:
        """Store a trial, of about `size` bytes, now or with the next ones."""
        self._pending.append(trial)
        self._size += size
        if len(self._pending) >= CHUNK or self._size >= MAX_BYTES:
            self.flush()

    def flush(self) -> None:
        """Store the trials that are left."""
        trials, self._pending, self._size = self._pending, [], 0
        if not trials:
            return
        check_room_for_trials(self._study, len(trials))
        failures = sum(trial.is_failure for trial in trials)
        states = Counter(trial.state for trial in trials)
        reserved = Trial.objects.reserve(self._study, states, failures)
        for trial, trial_id in zip(trials, reserved.ids, strict=True):
            trial.id = trial.id or trial_id  # one that is adopted has its own
            trial.revision = reserved.revision
        mark_front(self._study, trials)
        steps = [
            (trial, step, value)
            for trial in trials
            for step, value in zip(trial.steps, trial.step_values, strict=True)
        ]
        Trial.objects.add(trials, steps, study=self._study)
        self.n_written += len(trials)
        self._plan_anew()

    def _plan_anew(self) -> None:
        """Let the checks of foreign keys, planned for empty tables, be planned for fuller ones."""
        if self.n_written >= self._next_planning:
            with connection.cursor() as cursor:
                cursor.execute("DISCARD PLANS")
            self._next_planning = 4 * self.n_written


def store_notes(study: Study, notes: Mapping[int, Mapping[str, Any]]) -> None:
    """Store what trials note on the study, by their numbers; parents are named by number, too."""
    if not notes:
        return
    named = Trial.objects.filter(study_id=study.id, number__in=all_parents(list(notes.values())))
    ids = dict(named.values_list("number", "id"))
    by_id = {trial: renumbered(attrs, ids.get) for trial, attrs in notes.items()}
    Trial.objects.add_study_attrs(study, by_id)

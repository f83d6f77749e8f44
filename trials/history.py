"""History: what a sampler sees of a study, kept in this process and brought up to date.

An ask through Optuna's own storage costs dozens of statements, nearly all of them to read again
what was known. A History reads what has changed since, in one.
"""

import threading
from bisect import bisect_left
from collections.abc import Container, Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass, field
from itertools import count
from typing import Any, NoReturn

import optuna
from optuna.distributions import BaseDistribution
from optuna.storages import BaseStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from studies.columns import TrialColumns
from studies.models import Study
from studies.pruners import build_pruner
from studies.samplers import (
    TRANSIENT_ATTRIBUTES,
    build_sampler,
    draws_by_number,
    reads_columns,
    reseed,
    thinks,
)
from trials.managers import TrialQuerySet
from trials.models import Trial
from tuner_project.database import release_connection
from tuner_project.prepared import Parameter, PreparedQuery

_STATES = {state.name: state for state in TrialState}
_DIRECTIONS = {
    "minimize": StudyDirection.MINIMIZE,
    "maximize": StudyDirection.MAXIMIZE,
}
_COLUMNS = ("revision", "study_attrs", "number", "id", "state", "values", "system_attrs")
_STEP_COLUMNS = ("steps", "step_values")
_LEAST_SIZE = 20  # the sampler, and columns without a row
_NOTHING: dict[Any, Any] = {}  # shared by all trials that have none: it is never changed


@dataclass(eq=False)
class Draft:
    """A trial that is sampled but not committed. Other asks of this process see it RUNNING."""

    trial: FrozenTrial
    study_attrs: dict[str, Any] = field(default_factory=dict)
    number: int | None = None  # the one it got, once it is reserved
    is_over: bool = False  # committed, or never will be

    @property
    def system_attrs(self) -> dict[str, Any]:
        """What the sampler noted on the trial, to be stored with it."""
        return {
            key: value
            for key, value in self.trial.system_attrs.items()
            if not key.startswith(TRANSIENT_ATTRIBUTES)
        }


class History(BaseStorage):
    """A study's trials as Optuna's FrozenTrials, for its sampler and pruner.

    Optuna reads it as a storage; it can write to drafts only. Trials are replaced and never
    changed in place: Optuna's pruners rely on that. One thread at a time may `sync` and `draw`
    (`lock`), since samplers keep state; reading needs no lock.
    """

    def __init__(self, study: Study) -> None:
        self.lock = threading.Lock()
        self.study = study  # its definition; the rest is of when it was read
        self._directions = [_DIRECTIONS[direction] for direction in study.directions]
        self._space = study.space
        self._seed: int | None = study.sampler_options.get("seed")
        self._with_steps = study.sampler == "tpe" or study.pruner != "none"
        self._revision = 0
        self._trials: list[FrozenTrial] = []
        self._study_attrs: dict[str, Any] = {}
        self._drafts: dict[int, Draft] = {}
        self._draft_ids = count(-1, -1)  # apart from those of committed trials
        self._drawing: Draft | None = None
        sampler = build_sampler(study.sampler, study.sampler_options, self._space.distributions)
        pruner = build_pruner(study.pruner, study.pruner_options)
        self.columns: TrialColumns | None = None
        if reads_columns(sampler):
            self.columns = TrialColumns(list(self._space.distributions), len(self._directions))
        self._thinks = thinks(sampler)
        self.needs_number = draws_by_number(sampler)
        self.optuna_study = optuna.Study(self.study.name, self, sampler=sampler, pruner=pruner)

    def __len__(self) -> int:
        return len(self._trials)

    @property
    def size(self) -> int:
        """What it takes of the memory for histories, in trials."""
        return max(len(self), _LEAST_SIZE)

    @property
    def is_seeded(self) -> bool:
        return self._seed is not None

    def sample(self) -> Draft:
        """Draw a new trial, knowing everything that is committed.

        Holds no database lock, no transaction and no connection while the sampler thinks, which
        one at random does not.
        """
        with self._turn():
            self.sync()
            if self._thinks:
                release_connection()
            numbers = [draft.trial.number for draft in self._drafts.values()]
            return self._draw(max([len(self._trials), *(number + 1 for number in numbers)]))

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """Wait for the sampler, without a connection."""
        if not self.lock.acquire(blocking=False):
            release_connection()
            self.lock.acquire()
        try:
            yield
        finally:
            self.lock.release()

    def sample_numbered(self, number: int, instead_of: Draft | None = None) -> Draft:
        """Draw the trial of this number, knowing what was known before."""
        with self.lock:
            if instead_of is not None:
                self._drop(instead_of)
            if self.needs_number:  # then nothing is read from the database, and no sync drops these
                for draft in [each for each in self._drafts.values() if each.is_over]:
                    self._drop(draft)
            return self._draw(number)

    def _drop(self, draft: Draft) -> None:
        self._drafts.pop(draft.trial._trial_id, None)

    def sync(self) -> None:
        """Read the trials that were written since the last time, in one statement.

        Every write raises the study's revision under the study's lock, so that revisions are
        committed in their order and none is ever missed.
        """
        # Those that are over by now were committed before what is read next, or never will be.
        over = [draft for draft in self._drafts.values() if draft.is_over]
        latest = self._revision
        changed: list[tuple[FrozenTrial, list[float | None]]] = []
        noted: dict[int, dict[str, Any]] = {}  # on the study, by trial
        query = _WRITTEN_WITH_STEPS if self._with_steps else _WRITTEN
        for row in query.rows(study=self.study.id, revision=self._revision):
            latest, study_attrs, *of_trial, internal_params = row
            changed.append((self._frozen(internal_params, *of_trial), internal_params))
            if study_attrs:
                noted[changed[-1][0].number] = study_attrs
        changed.sort(key=lambda each: each[0].number)
        for trial, _ in changed:
            self._put(trial)
        for _, attrs in sorted(noted.items()):  # of one key the first trial's counts
            self._study_attrs = attrs | self._study_attrs
        if self.columns is not None:
            self.columns.put(*zip(*changed, strict=True) if changed else ((), ()))
        self._revision = latest  # last: what is cut off in between is read again
        committed = len(self._trials)
        for draft in list(self._drafts.values()):
            if draft in over or (draft.number is not None and draft.number < committed):
                self._drop(draft)

    def _frozen(
        self,
        internal_params: list[float | None],
        number: int,
        trial_id: int,
        state: str,
        values: list[float] | None,
        system_attrs: dict[str, Any],
        steps: Sequence[int] = (),
        step_values: Sequence[float] = (),
    ) -> FrozenTrial:
        params = self._space.to_external(internal_params)
        distributions = self._space.distributions
        if len(params) < len(distributions):
            distributions = {name: distributions[name] for name in params}
        return FrozenTrial(
            number=number,
            state=_STATES[state],
            value=None,
            values=values,
            datetime_start=None,  # no sampler and no pruner asks when
            datetime_complete=None,
            params=params,
            distributions=distributions,
            user_attrs=_NOTHING,
            system_attrs=system_attrs or _NOTHING,
            intermediate_values=dict(zip(steps, step_values, strict=True)) or _NOTHING,
            trial_id=trial_id,
        )

    def _put(self, trial: FrozenTrial) -> None:
        if trial.number == len(self._trials):
            self._trials.append(trial)
        else:
            self._trials[trial.number] = trial

    def _draw(self, number: int) -> Draft:
        if self._seed is not None:
            reseed(self.optuna_study.sampler, self._seed, number)
        self._drawing = draft = Draft(_running_trial(number, next(self._draft_ids)))
        try:
            self.optuna_study.ask(fixed_distributions=self._space.distributions)
        except BaseException:
            self._drop(draft)
            raise
        finally:
            self._drawing = None
        return draft

    # What Optuna calls while it draws -----------------------------------------------------

    def create_new_trial(self, study_id: int, template_trial: FrozenTrial | None = None) -> int:
        draft = self._current_draft()
        self._drafts[draft.trial._trial_id] = draft
        return draft.trial._trial_id

    def set_trial_param(
        self,
        trial_id: int,
        param_name: str,
        param_value_internal: float,
        distribution: BaseDistribution,
    ) -> None:
        value = distribution.to_external_repr(param_value_internal)
        trial = self._copy(trial_id, "params", param_name, value)
        trial.distributions = trial.distributions | {param_name: distribution}

    def set_trial_system_attr(self, trial_id: int, key: str, value: Any) -> None:
        self._copy(trial_id, "system_attrs", key, value)

    def set_study_system_attr(self, study_id: int, key: str, value: Any) -> None:
        self._current_draft().study_attrs[key] = value

    def _current_draft(self) -> Draft:
        if self._drawing is None:
            self._refused()
        return self._drawing

    def _copy(self, trial_id: int, mapping: str, key: str, value: Any) -> FrozenTrial:
        """Replace a trial by a copy with one more entry in one of its mappings."""
        trial = copy(self.get_trial(trial_id))
        setattr(trial, mapping, getattr(trial, mapping) | {key: value})
        if trial_id in self._drafts:
            self._drafts[trial_id].trial = trial
        else:
            self._put(trial)
        return trial

    def get_all_trials(
        self,
        study_id: int,
        deepcopy: bool = True,
        states: Container[TrialState] | None = None,
    ) -> list[FrozenTrial]:
        """The trials by number; as they are, whatever `deepcopy`: nobody changes them."""
        if states == (TrialState.WAITING,):
            return []  # Study.ask would take one; ours are taken from the database
        trials = self._trials + self.drafts()
        return trials if states is None else [each for each in trials if each.state in states]

    def drafts(self) -> list[FrozenTrial]:
        """The trials that are being sampled, or not committed as far as is known."""
        return [draft.trial for draft in list(self._drafts.values())]

    def get_trial(self, trial_id: int) -> FrozenTrial:
        if trial_id in self._drafts:
            return self._drafts[trial_id].trial
        # Ids rise with numbers.
        return self._trials[bisect_left(self._trials, trial_id, key=lambda t: t._trial_id)]

    def get_study_id_from_name(self, study_name: str) -> int:
        return self.study.id

    def get_study_name_from_id(self, study_id: int) -> str:
        return self.study.name

    def get_study_directions(self, study_id: int) -> list[StudyDirection]:
        return self._directions

    def get_study_system_attrs(self, study_id: int) -> dict[str, Any]:
        drafts = [draft.study_attrs for draft in self._drafts.values()]
        return {key: value for attrs in drafts for key, value in attrs.items()} | self._study_attrs

    def get_study_user_attrs(self, study_id: int) -> dict[str, Any]:
        return _NOTHING

    def _refused(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise TypeError("a History is written by drawing from it; the rest goes through the domain")

    create_new_study = delete_study = get_all_studies = _refused
    set_study_user_attr = set_trial_user_attr = _refused
    set_trial_state_values = set_trial_intermediate_value = _refused


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


def _running_trial(number: int, trial_id: int) -> FrozenTrial:
    return FrozenTrial(
        number=number,
        state=TrialState.RUNNING,
        value=None,
        datetime_start=None,
        datetime_complete=None,
        params={},
        distributions={},
        user_attrs=_NOTHING,
        system_attrs={},
        intermediate_values=_NOTHING,
        trial_id=trial_id,
    )

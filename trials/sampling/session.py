"""History: a study's sampler and pruner over its trials, without a lock while they think."""

import threading
from collections.abc import Container, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import copy
from itertools import count
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial, TrialState

from optuna_bridge.points import Point
from optuna_bridge.pruners import NO_PRUNER, PRUNERS, build_pruner
from optuna_bridge.samplers.registry import SAMPLERS, build_sampler
from optuna_bridge.system_attrs import FIXED_PARAMS
from studies.errors import StudyNotFound
from studies.models import NamedStudy, Study
from trials.models import Trial
from trials.sampling.drafts import Draft, PlanInvalidated
from trials.sampling.trial_cache import TrialCache
from tuner_project.db.database import release_connection
from tuner_project.observability.stopwatch import stopwatch

_LEAST_SIZE = 20  # the sampler, and columns without a row
# Measured by `bench.memory`: of a trial, and of each parameter and intermediate value of it.
_BYTES, _BYTES_OF_PARAM, _BYTES_OF_STEP = 600, 100, 70
_SAMPLE = 10


class SamplerSession(TrialCache):
    """What a sampler sees of a study, and the sampler itself.

    Optuna can write to drafts only. One thread at a time may draw (`lock`), since samplers keep
    state; that may take long, and nothing else waits for it.
    """

    def __init__(self, study: Study) -> None:
        sampler = build_sampler(study.sampler, study.sampler_options, study.space.distributions)
        super().__init__(study)
        self._kind = SAMPLERS[study.sampler]
        self.lock = threading.Lock()
        self.has_refused = False  # whether the last ask got nothing
        self.needs_number = self._kind.needs_number
        self._seed: int | None = study.sampler_options.get("seed")
        self._draft_ids = count(-1, -1)  # apart from those of committed trials
        self._drawing: Draft | None = None
        self.pruner = build_pruner(study.pruner, study.pruner_options)
        # Optuna prunes single objectives only, and so Hyperband may split only their trials.
        pruner = build_pruner(NO_PRUNER, {}) if study.is_multi_objective else self.pruner
        self.optuna_study = optuna.Study(study.name, self, sampler=sampler, pruner=pruner)

    @property
    def size(self) -> int:
        """What it takes of the memory for histories, in trials."""
        return max(len(self), _LEAST_SIZE)

    @property
    def estimated_bytes(self) -> int:
        """About the memory that its trials take, from some of them."""
        n = len(self)
        some = self._trials[:: max(1, n // _SAMPLE)][:_SAMPLE]
        n_steps = sum(len(trial.intermediate_values) for trial in some) / max(1, len(some))
        n_params = len(self._space.distributions)
        return round(n * (_BYTES + _BYTES_OF_PARAM * n_params + _BYTES_OF_STEP * n_steps))

    @property
    def is_seeded(self) -> bool:
        return self._seed is not None

    def locked_study(self) -> Study:
        """The study as it is now, locked until the transaction ends.

        Raises `StudyNotFound` where it was deleted, even if there is another of its name.
        """
        study = NamedStudy(self.study.name).locked()
        if study.id != self.study.id:
            raise StudyNotFound.named(self.study.name)
        return study

    def running(self, number: int) -> FrozenTrial | None:
        """The running trial of this number, for the pruner; None: there is none, or no pruner."""
        if not PRUNERS[self.study.pruner].reads_steps:
            return None
        self.sync()
        trial = self._trials[number] if number < len(self._trials) else None
        return trial if trial is not None and trial.state == TrialState.RUNNING else None

    def sample(self) -> Draft:
        """Draw a new trial, knowing everything that is committed."""
        with self.turn():
            self.give_way()
            draft = self.draw_new()
        if draft is None:
            raise RuntimeError("no point of the space is left")
        return draft

    def give_way(self) -> None:
        """Give the connection back before the sampler thinks, which one at random does not."""
        if self._kind.is_slow:
            release_connection()

    def needs_draft(self, trial: Trial) -> bool:
        """Whether the sampler has a say in a WAITING trial."""
        return self._kind.annotates_trials or not trial.has_all_params

    def note(self, params: Mapping[str, Any]) -> Draft | None:
        """What the sampler would have noted on a trial of these parameters, were it asked for now.

        None: it learns from trials without.
        """
        if not self._kind.annotates_trials:
            return None
        with self.turn():
            draft = self._draw_once(len(self._trials), params)
            draft.is_over = True
            return draft

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait for the sampler, without a connection, and let it know all that is committed."""
        if not self.lock.acquire(blocking=False):
            with stopwatch("waiting"):
                release_connection()
                self.lock.acquire()
        try:
            with stopwatch("history"):
                self.sync()
                self.settle()
            yield
        finally:
            self.lock.release()

    def sample_numbered(
        self,
        number: int,
        instead_of: Draft | None = None,
        fixed: Mapping[str, Any] | None = None,
    ) -> Draft:
        """Draw the trial of this number, knowing what was known before.

        Called within the transaction, and so raises `PlanInvalidated` instead of waiting for
        another thread's sampler.
        """
        # Where the number is needed nobody thinks, and the lock is held for microseconds.
        if not self.lock.acquire(blocking=self.needs_number):
            raise PlanInvalidated
        try:
            if instead_of is not None:
                self._drop(instead_of)
            if self.needs_number:  # then no plan settles what is over
                for draft in [each for each in self._drafts.values() if each.is_over]:
                    self._drop(draft)
            return self.draw(number, fixed)
        finally:
            self.lock.release()

    def draw_new(self) -> Draft | None:
        """Draw a trial for the next number; None: no point of the space is left."""
        if self.n_left == 0:
            return None
        numbers = [draft.trial.number + 1 for draft in self._drafts.values()]
        draft = self.draw(max([len(self._trials), *numbers]))
        if draft.is_repeated and self.n_left is not None:
            self._drop(draft)
            return None
        return draft

    def draw(self, number: int, fixed: Mapping[str, Any] | None = None) -> Draft:
        """Draw a trial; where duplicates are avoided, again while its point is taken."""
        if self._seed is not None:
            self._kind.reseed(self.optuna_study.sampler, self._seed, number)
        draft = self._draw_once(number, fixed)
        if self.taken is None or (fixed and len(fixed) == len(self._space.parameters)):
            return draft  # any will do, or somebody wants just this one
        others = [each.params for each in self.drafts() if each is not draft.trial]
        taken = {self.taken.of(params) for params in others} - {None}
        for _ in range(self._kind.max_redraws):
            if not self._is_taken(draft, taken):
                return draft
            self._drop(draft)
            with self._kind.at_random(self.optuna_study.sampler):
                draft = self._draw_once(number, fixed)
        if self._is_taken(draft, taken):
            draft = self._draw_from_the_rest(draft, number, fixed, others)
        return draft

    def _is_taken(self, draft: Draft, beside: Container[Point | None]) -> bool:
        if self.taken is None:
            return False
        point = self.taken.of(draft.trial.params)
        return point in self.taken or point in beside

    def _draw_from_the_rest(
        self,
        draft: Draft,
        number: int,
        fixed: Mapping[str, Any] | None,
        beside: Sequence[Mapping[str, Any]],
    ) -> Draft:
        """Instead of a draft that repeats a point, one of those that are left, if any are known."""
        seed = None if self._seed is None else (self._seed, number)
        left = None if self.taken is None else self.taken.one_left(fixed or {}, beside, seed)
        if left is None:
            draft.is_repeated = True
            return draft
        self._drop(draft)
        return self._draw_once(number, left)

    def _draw_once(self, number: int, fixed: Mapping[str, Any] | None = None) -> Draft:
        """Draw a trial, of which some parameters may be fixed."""
        trial = _running_trial(number, next(self._draft_ids))
        if fixed is not None:
            trial.system_attrs = {FIXED_PARAMS: dict(fixed)}
        self._drawing = draft = Draft(trial, is_fixed=fixed is not None)
        try:
            with stopwatch("sampling"):
                trial_of_optuna = self.optuna_study.ask(self._space.distributions)
                if self._kind.annotates_trials:
                    # It notes when it samples, which it does not before a parameter needs it.
                    _ = trial_of_optuna.relative_params
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


def _running_trial(number: int, trial_id: int) -> FrozenTrial:
    return FrozenTrial(
        number=number,
        state=TrialState.RUNNING,
        value=None,
        datetime_start=None,
        datetime_complete=None,
        params={},
        distributions={},
        user_attrs={},
        system_attrs={},
        intermediate_values={},
        trial_id=trial_id,
    )

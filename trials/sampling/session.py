"""A study's sampler and pruner over its trials, without a lock while they work."""

import threading
from collections.abc import Container, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from optuna_bridge.points import Point
from optuna_bridge.pruners import NO_PRUNER, PRUNERS, build_pruner
from optuna_bridge.samplers.registry import SAMPLERS, build_sampler
from studies.errors import StudyNotFound
from studies.models import NamedStudy, Study
from trials.models import Trial
from trials.sampling.drafts import Annotations, Draft, PlanInvalidated
from trials.sampling.trial_cache import TrialCache
from tuner_project.db.database import release_connection
from tuner_project.observability.stopwatch import stopwatch

_LEAST_SIZE = 20  # the sampler, and columns without a row
# Measured by `bench.memory`: of a trial, and of each parameter and intermediate value of it.
_BYTES, _BYTES_OF_PARAM, _BYTES_OF_STEP = 600, 100, 70
_SAMPLE = 10


class SamplerSession(TrialCache):
    """What a sampler sees of a study, and the sampler itself.

    Samplers keep state, so that one thread at a time may draw: whoever holds `lock`, which
    `acquire_sampler` and `draw_numbered` take. That may last long, and nothing else waits for it.
    """

    def __init__(self, study: Study) -> None:
        super().__init__(study)
        self.lock = threading.Lock()
        self._kind = SAMPLERS[study.sampler]
        self._seed: int | None = study.sampler_options.get("seed")
        self._was_refused = False
        sampler = build_sampler(study.sampler, study.sampler_options, study.space.distributions)
        self.pruner = build_pruner(study.pruner, study.pruner_options)
        # Optuna prunes single objectives only, and so Hyperband may split only their trials.
        pruner = build_pruner(NO_PRUNER, {}) if study.is_multi_objective else self.pruner
        self.optuna_study = self.as_study(sampler, pruner)

    @property
    def size(self) -> int:
        """What it takes of the memory for sessions, in trials."""
        return max(len(self), _LEAST_SIZE)

    @property
    def estimated_bytes(self) -> int:
        """The memory that its trials take, estimated from some of them."""
        n = len(self)
        some = self._trials[:: max(1, n // _SAMPLE)][:_SAMPLE]
        n_steps = sum(len(trial.intermediate_values) for trial in some) / max(1, len(some))
        n_params = len(self._space.distributions)
        return round(n * (_BYTES + _BYTES_OF_PARAM * n_params + _BYTES_OF_STEP * n_steps))

    @property
    def is_seeded(self) -> bool:
        return self._seed is not None

    @property
    def needs_number(self) -> bool:
        """Whether the sampler draws only once the trial's number is reserved."""
        return self._kind.needs_number

    @property
    def has_pruner(self) -> bool:
        return PRUNERS[self.study.pruner].reads_steps

    @property
    def expects_refusal(self) -> bool:
        """Whether the next ask will probably be refused, too, so that nothing need be drawn.

        Not where duplicates are avoided: what is left is known there only by drawing.
        """
        return self._was_refused and self.visited is None

    def remember_attempt(self, *, was_refused: bool) -> None:
        """Remember whether an ask was refused."""
        self._was_refused = was_refused

    def locked_study(self) -> Study:
        """The study as it is now, locked until the transaction ends.

        Raises:
            StudyNotFound: it was deleted, even if there is another of its name.
        """
        study = NamedStudy(self.study.name).locked()
        if study.id != self.study.id:
            raise StudyNotFound.named(self.study.name)
        return study

    def needs_draft(self, trial: Trial) -> bool:
        """Whether the sampler has a say in a WAITING trial."""
        return self._kind.annotates_trials or not trial.has_all_params

    def annotations(self, params: Mapping[str, Any]) -> Annotations:
        """What the sampler would set on a trial of these parameters, were it drawn now.

        Nothing where it learns from trials without annotations.
        """
        if not self._kind.annotates_trials:
            return Annotations()
        with self.acquire_sampler():
            draft = self._draw_once(len(self._trials), params)
            draft.close()
            return Annotations(draft.system_attrs, draft.study_attrs)

    # Turns of the sampler ---------------------------------------------------------------------

    @contextmanager
    def acquire_sampler(self) -> Iterator[None]:
        """Wait for the sampler without a connection, and let it know all that is committed."""
        if not self.lock.acquire(blocking=False):
            with stopwatch("waiting"):
                release_connection()
                self.lock.acquire()
        try:
            with stopwatch("history"):
                self.sync()
                self.apply_pending()
            yield
        finally:
            self.lock.release()

    def release_connection_if_slow(self) -> None:
        """Return the connection to the pool before a sampler draws that takes its time."""
        if self._kind.is_slow:
            release_connection()

    def draw_numbered(
        self,
        number: int,
        instead_of: Draft | None = None,
        fixed: Mapping[str, Any] | None = None,
    ) -> Draft:
        """Draw the trial of this number within a transaction, knowing what was known before.

        Raises:
            PlanInvalidated: another thread uses the sampler, and the transaction must not wait.
        """
        # A sampler that needs the number holds the lock for microseconds.
        if not self.lock.acquire(blocking=self.needs_number):
            raise PlanInvalidated
        try:
            if instead_of is not None:
                self._drop(instead_of)
            if self.needs_number:  # then `apply_pending` is not called
                for draft in [each for each in self._listed_drafts() if each.is_closed]:
                    self._drop(draft)
            return self.draw(number, fixed)
        finally:
            self.lock.release()

    # Drawing, by the thread that holds the lock -----------------------------------------------

    def draw_next(self) -> Draft | None:
        """Draw a trial for the next number; None where no point of the space is left."""
        if self.n_left == 0:
            return None
        numbers = [draft.number + 1 for draft in self._listed_drafts()]
        draft = self.draw(max([len(self._trials), *numbers]))
        if draft.is_duplicate and self.n_left is not None:
            self._drop(draft)
            return None
        return draft

    def draw(self, number: int, fixed: Mapping[str, Any] | None = None) -> Draft:
        """Draw a trial; where duplicates are avoided, again while its point was visited."""
        if self._seed is not None:
            self._kind.reseed(self.optuna_study.sampler, self._seed, number)
        draft = self._draw_once(number, fixed)
        if self.visited is None or (fixed and len(fixed) == len(self._space.parameters)):
            return draft  # any point will do, or just this one is wanted
        others = [each.params for each in self._listed_drafts() if each is not draft]
        points = {self.visited.point_of(params) for params in others} - {None}
        for _ in range(self._kind.max_redraws):
            if not self._is_visited(draft, points):
                return draft
            self._drop(draft)
            with self._kind.at_random(self.optuna_study.sampler):
                draft = self._draw_once(number, fixed)
        if self._is_visited(draft, points):
            draft = self._draw_unvisited(draft, number, fixed, others)
        return draft

    def _is_visited(self, draft: Draft, beside: Container[Point | None]) -> bool:
        if self.visited is None:
            return False
        point = self.visited.point_of(draft.params)
        return point in self.visited or point in beside

    def _draw_unvisited(
        self,
        draft: Draft,
        number: int,
        fixed: Mapping[str, Any] | None,
        beside: Sequence[Mapping[str, Any]],
    ) -> Draft:
        """Draw one of the points that are left instead of a visited one, if any are known."""
        seed = None if self._seed is None else (self._seed, number)
        left = None if self.visited is None else self.visited.pick_other(fixed or {}, beside, seed)
        if left is None:
            draft.mark_duplicate()
            return draft
        self._drop(draft)
        return self._draw_once(number, left)

    def _draw_once(self, number: int, fixed: Mapping[str, Any] | None = None) -> Draft:
        """Draw a trial, of which some or all parameters may be fixed."""
        draft = Draft(number, fixed)
        with self._drawing_into(draft), stopwatch("sampling"):
            trial = self.optuna_study.ask(self._space.distributions)
            if self._kind.annotates_trials:
                # It does when it samples, which it does not before a parameter needs it.
                _ = trial.relative_params
        return draft

"""A study's sampler and pruner on its cached trials; no database lock is held while they work."""

from collections.abc import Container, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Any

from optuna_bridge.points import Point
from optuna_bridge.pruners.kind import PrunerKind
from optuna_bridge.pruners.registry import NO_PRUNER, PRUNERS, build_pruner
from optuna_bridge.samplers.kind import StudyTraits
from optuna_bridge.samplers.registry import SAMPLERS, build_sampler
from optuna_bridge.search_space import listed_values
from studies.errors import SamplerUnavailable, SamplerUnsuited, StudyNotFound
from studies.models import NamedStudy, Study
from trials.models import Trial
from trials.sampling.drafts import Annotations, Draft, PlanInvalidated
from trials.sampling.sampler_lock import SamplerLock
from trials.sampling.trial_cache import TrialCache
from trials.sampling.visited_points import max_failures
from tuner_project.db.database import release_connection
from tuner_project.observability.stopwatch import stopwatch

# Measured by `bench.measurements.memory`: the memory of a trial, and of each of its parameters and
# of its steps and system attributes, such as constraints.
_BYTES, _BYTES_OF_PARAM, _BYTES_OF_NOTE = 600, 100, 70
_BYTES_OF_CHOICE = 100  # in the session's search space
_LEAST_SIZE = 20  # in trials: the memory of the sampler and of empty columns
_BYTES_OF_UNIT = _BYTES + 10 * _BYTES_OF_PARAM


class SamplerSession(TrialCache):
    """A study's sampler and pruner, and the trials that they read.

    Samplers have state, so only one thread at a time may draw: the one that holds `lock`, which
    `acquire_sampler` and `draw_numbered` take. It may be held for long, but only draws wait for it.
    """

    def __init__(self, study: Study) -> None:
        super().__init__(study)
        self.lock = SamplerLock()
        self._kind = SAMPLERS[study.sampler]
        self._seed: int | None = study.sampler_options.get("seed")
        self._was_refused = False
        self._n_choices = sum(len(listed_values(each)) for each in study.space.parameters)
        sampler = build_sampler(study.sampler, study.sampler_options, self._space.distributions)
        self.pruner = build_pruner(study.pruner, study.pruner_options)
        # Optuna prunes single-objective studies only, and samplers split trials by Hyperband's
        # brackets only there.
        pruner = build_pruner(NO_PRUNER, {}) if study.is_multi_objective else self.pruner
        self.optuna_study = self.as_study(sampler, pruner)

    @property
    def size(self) -> int:
        """The session's share of HISTORY_MAX_TRIALS, in trials of ten parameters without steps.

        A narrower trial counts as one, a wider one as more.
        """
        return max(len(self), self.estimated_bytes // _BYTES_OF_UNIT, _LEAST_SIZE)

    @property
    def estimated_bytes(self) -> int:
        """The memory in bytes that its trials and its search space use, estimated."""
        of_trial = _BYTES + _BYTES_OF_PARAM * len(self._space.parameters)
        notes = _BYTES_OF_NOTE * self._n_notes
        return len(self) * of_trial + notes + _BYTES_OF_CHOICE * self._n_choices

    @property
    def is_seeded(self) -> bool:
        return self._seed is not None

    @property
    def needs_number(self) -> bool:
        """Whether the sampler can draw only after the trial's number is reserved."""
        return self._kind.needs_number

    def depends_on_number(self, draft: Draft) -> bool:
        """Return whether a draft's point may have no other number than the draft's."""
        return self.is_seeded or self._kind.depends_on_number(draft.system_attrs)

    @property
    def pruner_kind(self) -> PrunerKind:
        return PRUNERS[self.study.pruner]

    @property
    def expects_refusal(self) -> bool:
        """Whether the next ask will probably be refused like the last one, so nothing is drawn.

        It is False if the study avoids duplicates, since only a draw shows whether points are left.
        """
        return self._was_refused and self.visited is None

    def remember_attempt(self, *, was_refused: bool) -> None:
        """Remember whether the last attempt of an ask was refused."""
        self._was_refused = was_refused

    def check_sampler_can_draw(self) -> None:
        """Check that the sampler is installed, and that its draws take bounded time and memory.

        Raises:
            SamplerUnavailable: A part of the installation that it needs is missing.
            SamplerUnsuited: The study is older than the bounds that it exceeds.
        """
        name = self.study.sampler
        if missing := self._kind.missing:
            raise SamplerUnavailable(f"the sampler {name} is not available: {missing}")
        if self._fault is not None:
            raise SamplerUnsuited(
                f"the sampler {name} cannot draw for this study: {self._fault}; clone the study "
                "with other options or another sampler"
            )

    @cached_property
    def _fault(self) -> str | None:
        """Why the study exceeds the bounds of its sampler; its definition never changes."""
        given = self.study.sampler_options
        for option, found in self._kind.faults(given):
            return f"{option}: {found}"
        return self._kind.fault_of_study(
            StudyTraits(
                space=self._space,
                n_objectives=len(self.study.directions),
                n_constraints=len(self.study.constraints),
                options=self._kind.complete(given),
            )
        )

    def locked_study(self) -> Study:
        """Read the study, and lock it until the transaction ends.

        Raises:
            StudyNotFound: it was deleted, even if another study now has its name.
        """
        study = NamedStudy(self.study.name).locked()
        self.check_is_of(study)
        if self.visited is not None:
            self.visited.max_failures = max_failures(study)
        return study

    def check_is_of(self, study: Study) -> None:
        """Raise `StudyNotFound` if a study that has the name now is not the session's."""
        if study.id != self.study.id:
            raise StudyNotFound.named(self.study.name)

    def needs_draft(self, trial: Trial) -> bool:
        """Return whether a WAITING trial needs parameters or attributes from the sampler."""
        return self._kind.annotates_trials or not trial.has_all_params

    def annotations(self, params: Mapping[str, Any]) -> Annotations:
        """Return the attributes that the sampler would set on a trial with these parameters.

        They are empty if it does not need attributes to learn from a trial.
        """
        if not self._kind.annotates_trials:
            return Annotations()
        with self.acquire_sampler():
            draft = self._draw_once(len(self._trials), self._as_sampled(params))
            draft.close()
            return Annotations(draft.system_attrs, draft.study_attrs)

    # Acquiring the sampler --------------------------------------------------------------------

    @contextmanager
    def acquire_sampler(self, *, is_synced: bool = False) -> Iterator[None]:
        """Hold the sampler's lock within the block, after reading all that is committed.

        While the thread waits for the lock, its database connection is back in the pool.
        `is_synced` says that `sync` was called just before.

        Raises:
            StudyBusy: the sampler is slow, and enough threads wait for it already.
        """
        if not self.lock.try_acquire():
            is_synced = False
            with stopwatch("waiting"):
                release_connection()
                self.lock.acquire()
        try:
            with stopwatch("history"):
                if not is_synced:
                    self.sync()
                self.apply_pending()
            self.lock.begin_draw()
            yield
        finally:
            self.lock.release()

    def release_connection_if_slow(self) -> None:
        """Return the connection to the pool before a slow sampler draws."""
        if self._kind.is_slow:
            release_connection()

    def draw_numbered(
        self,
        number: int,
        instead_of: Draft | None = None,
        fixed: Mapping[str, Any] | None = None,
    ) -> Draft:
        """Draw the trial with this number within a transaction, without reading newer trials.

        Raises:
            PlanInvalidated: another thread uses the sampler, and the transaction must not wait.
        """
        if not self.lock.try_acquire():
            if not self.needs_number:
                raise PlanInvalidated
            self.lock.acquire()  # which such a sampler holds for microseconds
        try:
            if instead_of is not None:
                self._drop(instead_of)
            if self.needs_number:  # then `apply_pending`, which also drops drafts, is not called
                for draft in [each for each in self._listed_drafts() if each.is_closed]:
                    self._drop(draft)
            return self.draw(number, fixed)
        finally:
            self.lock.release()

    # Drawing: only by the thread that holds `lock` --------------------------------------------

    def draw_next(self, fixed: Mapping[str, Any] | None = None) -> Draft | None:
        """Draw a trial for the next number; None if no unvisited point is left."""
        if self.n_left_at(fixed) == 0:
            return None
        numbers = [draft.number + 1 for draft in self._listed_drafts()]
        draft = self.draw(max([len(self._trials), *numbers]), fixed or None)
        if draft.is_duplicate and self.n_left is not None:
            self._drop(draft)
            return None
        return draft

    def draw(self, number: int, fixed: Mapping[str, Any] | None = None) -> Draft:
        """Draw a trial; if the study avoids duplicates, redraw while its point was visited."""
        if self._seed is not None:
            self._kind.reseed(self.optuna_study.sampler, self._seed, number)
        fixed = self._as_sampled(fixed)
        is_point = self._is_point(fixed)
        if self.visited is not None and self._kind.visits_each_point and not is_point:
            return self._draw_unvisited(number, fixed)
        draft = self._draw_once(number, fixed)
        if self.visited is None:
            return draft
        if is_point:
            draft.mark_exact()
            return draft
        others = [each.params for each in self._listed_drafts() if each is not draft]
        points = {self.visited.point_of(params) for params in others} - {None}
        for _ in range(self._kind.max_redraws):
            if not self._is_visited(draft, points):
                return draft
            self._drop(draft)
            with self._kind.at_random(self.optuna_study.sampler):
                draft = self._draw_once(number, fixed)
        if not self._is_visited(draft, points):
            return draft
        left = self._unvisited(number, fixed, others)
        if left is None:
            draft.mark_duplicate()
            return draft
        self._drop(draft)
        return self._draw_once(number, left)

    def n_left_at(self, fixed: Mapping[str, Any] | None) -> int | None:
        """Return how many trials with the fixed values can be drawn; None if it is not limited.

        It is if the study avoids duplicates in a finite space. A point with all its parameters
        fixed is drawn even if it was visited.
        """
        if self.visited is None or not fixed:
            return self.n_left
        as_sampled = self._as_sampled(fixed)
        return None if self._is_point(as_sampled) else self.visited.n_left_at(as_sampled or {})

    def _is_point(self, fixed: Mapping[str, Any] | None) -> bool:
        """Return whether all parameters are fixed."""
        return fixed is not None and len(fixed) == len(self._space.parameters)

    def _as_sampled(self, params: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
        """Return parameters of the study as its sampler sees them."""
        if params is None or self._space is self.study.space:
            return params
        return self._space.to_external(self.study.space.to_internal(params))

    def internal_params(self, draft: Draft) -> list[float | None]:
        """Return the parameters of a draft as trials store them."""
        return self._space.to_internal(draft.params)

    def _is_visited(self, draft: Draft, others: Container[Point | None]) -> bool:
        if self.visited is None:
            return False
        point = self.visited.point_of(draft.params)
        return point in self.visited or point in others

    def _draw_unvisited(self, number: int, fixed: Mapping[str, Any] | None) -> Draft:
        """Draw a trial at an unvisited point, or any one that is marked as a duplicate."""
        left = self._unvisited(number, fixed, [each.params for each in self._listed_drafts()])
        draft = self._draw_once(number, fixed if left is None else left)
        if left is None:
            draft.mark_duplicate()
        return draft

    def _unvisited(
        self,
        number: int,
        fixed: Mapping[str, Any] | None,
        others: Sequence[Mapping[str, Any]],
    ) -> dict[str, Any] | None:
        """Return the parameters of an unvisited point; None if there is none.

        `others` are the parameters of the other drafts, whose points count as visited.
        """
        if self.visited is None:
            return None
        seed = None if self._seed is None else (self._seed, number)
        return self.visited.pick_other(fixed or {}, others, seed)

    def _draw_once(self, number: int, fixed: Mapping[str, Any] | None = None) -> Draft:
        """Draw a trial once, with some or all parameters fixed if given."""
        draft = Draft(number, fixed)
        with stopwatch("sampling"):
            self.draw_into(
                draft,
                self.optuna_study,
                self._space.distributions,
                annotates=self._kind.annotates_trials,
            )
        return draft

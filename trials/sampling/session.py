"""A study's sampler and pruner on its cached trials; no database lock is held while they work."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from typing import Any

from optuna_bridge.pruners.kind import PrunerKind
from optuna_bridge.pruners.registry import PRUNERS
from optuna_bridge.samplers.kind import StudyTraits
from optuna_bridge.space.search_space import listed_values
from studies.errors import SamplerUnavailable, SamplerUnsuited, StudyNotFound
from studies.models import NamedStudy, Study
from trials.models import Trial
from trials.sampling.drafts import Annotations, Draft, PlanInvalidated
from trials.sampling.drawing import DrawingSession
from trials.sampling.sampler_lock import SamplerLock
from trials.sampling.visited_points import max_failures
from tuner_project.db.database import release_connection
from tuner_project.observability.stopwatch import stopwatch

# Measured by `bench.measurements.memory`: the memory of a trial, and of each of its parameters and
# of its steps and system attributes, such as constraints.
_BYTES, _BYTES_OF_PARAM, _BYTES_OF_NOTE = 600, 100, 70
_BYTES_OF_CHOICE = 100  # in the session's search space
_LEAST_SIZE = 20  # in trials: the memory of the sampler and of empty columns
_BYTES_OF_UNIT = _BYTES + 10 * _BYTES_OF_PARAM


class SamplerSession(DrawingSession):
    """A study's sampler and pruner, and the trials that they read.

    Samplers have state, so only one thread at a time may draw: the one that holds `lock`, which
    `acquire_sampler` and `draw_numbered` take. It may be held for long, but only draws wait for it.
    """

    def __init__(self, study: Study) -> None:
        super().__init__(study)
        self.lock = SamplerLock()
        self._was_refused = False
        self._n_choices = sum(len(listed_values(each)) for each in study.space.parameters)

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
        # Of a study with repeats, trials are kept as they are stored and as the sampler sees them.
        n_kept = len(self) if self.study.repeats is None else 2 * len(self)
        return n_kept * of_trial + notes + _BYTES_OF_CHOICE * self._n_choices

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
        """Why the study exceeds the bounds of its sampler; a session has one definition."""
        given = self.study.sampler_options
        for option, found in self._kind.faults(given):
            return f"{option}: {found}"
        return self._kind.fault_of_study(
            StudyTraits(
                space=self.study.current.space,
                n_objectives=len(self.study.directions),
                n_constraints=len(self.study.constraints),
                options=self._kind.complete(given),
            )
        )

    def locked_study(self) -> Study:
        """Read the study, and lock it until the transaction ends.

        Raises:
            StudyNotFound: it was deleted, even if another study now has its name.
            SessionOutdated: its search space has changed.
        """
        study = NamedStudy(self.study.name).locked()
        self.check_is_of(study)
        self.check_version(study.search_space_version)
        if self.visited is not None:
            self.visited.max_failures = max_failures(study)
        return study

    def check_is_of(self, study: Study) -> None:
        """Raise `StudyNotFound` if a study that has the name now is not the session's."""
        if study.id != self.study.id:
            raise StudyNotFound.named(self.study.name)

    def needs_draft(self, trial: Trial) -> bool:
        """Return whether a WAITING trial needs parameters or attributes from the sampler."""
        is_annotated = self._kind.annotates_trials and not trial.is_further_repeat
        return is_annotated or not trial.has_all_params

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

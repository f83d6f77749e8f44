"""Plans: the trials that an ask will hand out, drawn without a lock."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from math import inf
from time import monotonic
from typing import Any

from studies.models import Study
from trials.models import Trial
from trials.queries.filters import agreeing_params
from trials.sampling.drafts import Draft, PlanInvalidated
from trials.sampling.session import SamplerSession
from trials.sampling.visited_points import has_point


class TimeLimit:
    """A number of seconds from now on, by a clock that never goes back."""

    def __init__(self, seconds: float, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._end = clock() + seconds

    @property
    def is_over(self) -> bool:
        return self._clock() >= self._end


MAX_PASSED_OVER = 20  # trials in the queue

NO_LIMIT = TimeLimit(inf)


@dataclass
class Plan:
    """The drafts for an ask, drawn in expectation of what it will find under the lock.

    Attributes:
        session: The session whose sampler draws.
        revision: The study's revision when the plan was drawn.
        queued: The drafts of WAITING trials, by their `point_number`.
        new: The drafts of new trials.
        count: How many trials to hand out at most: as many as were asked for, or, if the time limit
            ended the drawing, as many as were prepared.
        fixed: The values of parameters that all its trials have.
    """

    session: SamplerSession
    revision: int
    count: int
    fixed: Mapping[str, Any] = field(default_factory=dict)
    queued: dict[int, Draft] = field(default_factory=dict)
    new: list[Draft] = field(default_factory=list)

    @classmethod
    def draw(
        cls,
        session: SamplerSession,
        n: int,
        limit: TimeLimit = NO_LIMIT,
        *,
        fixed: Mapping[str, Any] | None = None,
        is_synced: bool = False,
    ) -> "Plan":
        """Draw n trials with the fixed values, queued ones first, by all that is committed.

        Once the time limit is over no further trial is drawn, except the first one.

        No database lock and no transaction is held while the sampler draws, and no connection if
        it is slow. If the sampler needs the trials' numbers, nothing is drawn yet. If few unvisited
        points are left, fewer than n may be drawn. `is_synced` says that the session was synced
        just before.
        """
        if session.needs_number:
            if session.visited is not None and not is_synced:
                session.sync()
            return cls(session, session.revision, n, fixed or {})
        with session.acquire_sampler(is_synced=is_synced):
            plan = cls(session, session.revision, n, fixed or {})
            try:
                plan._draw(limit)
            except BaseException:
                plan.close()
                raise
            return plan

    def _draw(self, limit: TimeLimit) -> None:
        session = self.session
        queued = []
        if session.has_queue:
            queued = queued_trials(session, session.study, self.count, self.fixed)
        session.release_connection_if_slow()
        for position, trial in enumerate(queued):
            if session.needs_draft(trial) and trial.point_number not in self.queued:
                if position > 0 and limit.is_over:
                    self.count = position
                    return
                fixed = {**self.fixed, **trial.params}
                self.queued[trial.point_number] = session.draw(trial.point_number, fixed)
        n_drawn = len(queued)
        while n_drawn < self.count:
            if n_drawn > 0 and limit.is_over:
                self.count = n_drawn
            elif draft := session.draw_next(self.fixed):
                self.new.append(draft)
                n_drawn += session.study.n_repeats
            else:
                return  # no unvisited point is left

    def n_new(self, n: int) -> int:
        """Return how many of n new trials the plan contains, or can draw, with all repeats."""
        session = self.session
        n_points = session.n_left_at(self.fixed) if session.needs_number else len(self.new)
        return n if n_points is None else min(n, n_points * self.session.study.n_repeats)

    def queued_draft(self, trial: Trial) -> Draft | None:
        """Return the draft of a queued trial; None if it was not planned.

        A sampler that needs numbers draws it now.

        Raises:
            PlanInvalidated: another thread uses the sampler.
        """
        number = trial.point_number
        if number not in self.queued and self.session.needs_number:
            fixed = {**self.fixed, **trial.params}
            self.queued[number] = self.session.draw_numbered(number, fixed=fixed)
        return self.queued.get(number)

    def new_draft(self, index: int, number: int) -> Draft:
        """Return the draft of a new trial, drawn (again) if its point depends on the number.

        Raises:
            PlanInvalidated: another thread uses the sampler.
        """
        planned = self.new[index] if index < len(self.new) else None
        is_of_another = planned is not None and planned.number != number
        if planned is None or (is_of_another and self.session.depends_on_number(planned)):
            planned = self.session.draw_numbered(number, planned, self.fixed or None)
            self.new[index : index + 1] = [planned]
        return planned

    def close(self) -> None:
        """Close the drafts: they are committed, or never will be."""
        for draft in (*self.queued.values(), *self.new):
            draft.close()


def queued_trials(
    session: SamplerSession, study: Study, n: int, fixed: Mapping[str, Any]
) -> list[Trial]:
    """Return the first n queued trials that an ask with fixed values may hand out.

    These are the ones that have the values, or none of their own, and whose other parameters can be
    drawn so that the constraints between parameters hold; of the trials that cannot, a few are
    passed over.
    """
    passed_over = 0 if study.space.parameter_constraints is None else MAX_PASSED_OVER
    trials = Trial.objects.queue(study, n + passed_over, agreeing_params(study, fixed))
    if not passed_over:
        return trials
    chosen = (each for each in trials if session.can_complete(each.params, fixed))
    return list(islice(chosen, n))


def mark_points(
    session: SamplerSession,
    trials: Sequence[Trial],
    drafts: Sequence[Draft],
    *,
    are_queued: bool = False,
) -> None:
    """Set `params_hash` on the trials if the study avoids duplicates.

    Queued trials are handed out even if no unvisited point with their parameters is left.

    Raises:
        PlanInvalidated: the point of a draft has been visited.
    """
    if session.visited is None:
        return
    if session.n_left is not None and not are_queued and any(d.is_duplicate for d in drafts):
        raise PlanInvalidated
    duplicates = {d.reserved_number for d in drafts if d.is_duplicate or d.is_exact}
    points = []
    for trial in trials:
        if trial.params_hash is not None:
            continue  # queued with all its parameters: exactly this point is requested
        trial.params_hash = session.study.point_hash(trial.internal_params)
        if trial.params_hash is not None and trial.point_number not in duplicates:
            points.append(trial.params_hash)
    if points and has_point(session.study.id, points, session.visited.max_failures):
        raise PlanInvalidated

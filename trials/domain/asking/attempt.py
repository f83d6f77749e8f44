"""One attempt to serve an ask by its plan, within the ask's transaction.

`PlanInvalidated` is raised if the plan fails after a write, which must be rolled back; before any
such write, `Replan` is returned.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from access.actors import Actor
from optuna_bridge.enums import TrialState
from optuna_bridge.system_attrs import FIXED_PARAMS
from studies.models import Study
from trials.domain.asking.limits import n_allowed, n_new_allowed, refusal_of_ask
from trials.domain.expire_leases import (
    expire_leases,
    fail_reoffered_trials,
    has_run_too_long,
)
from trials.domain.finish_trial import complete_if_used_up
from trials.domain.repeating import form_groups, further_repeats
from trials.models import Trial
from trials.models.leases import OF_STUDY, Lease
from trials.models.reservation import Reservation
from trials.projection.trial_rows import new_study_attrs
from trials.sampling.drafts import Draft, PlanInvalidated
from trials.sampling.plan import Plan, mark_points, queued_trials
from trials.sampling.session import SamplerSession
from tuner_project.db.statements import Sent
from tuner_project.errors import DomainError


@dataclass(frozen=True)
class AskRequest:
    """The arguments of an ask.

    A worker with a `worker_id` gets the trials that it already holds, unless `new` is set. All
    others have the values in `fixed`, which are in the study's search space.
    """

    actor: Actor
    count: int = 1
    worker_id: str = ""
    new: bool = False
    lease: Lease = OF_STUDY
    fixed: Mapping[str, Any] = field(default_factory=dict)

    @property
    def may_be_reoffered(self) -> bool:
        return bool(self.worker_id) and not self.new


@dataclass(frozen=True)
class Served:
    """The ask succeeded: the trials that are handed out, at least one."""

    trials: list[Trial]


@dataclass(frozen=True)
class Refused:
    """The study hands out no trials, for the reason in `error`."""

    error: DomainError


@dataclass(frozen=True)
class Replan:
    """The plan does not fit what was found under the lock: draw a new plan and try again."""


Attempt = Served | Refused | Replan


def serve(session: SamplerSession, plan: Plan, request: AskRequest, room: int) -> Attempt:
    """Hand out at most `room` trials.

    In the usual case all are new, and no queue, budget, lease or deadline is in the way: then one
    statement checks this and reserves them. Otherwise `serve_with_care` is called.
    """
    n = request.count
    if not plan.queued and plan.n_new(n) == n == room:
        reserving = _send_reserve(session.study, n, request)
        held = None
        if request.may_be_reoffered:
            held = Trial.objects.send_held(session.study, request.worker_id)
        reserved = reserving.first()
        if reserved is not None:
            if held is not None and any(held):
                raise PlanInvalidated  # a concurrent request of this worker got its trials first
            return Served(_start_new(session, reserved, plan, request, n))
    return serve_with_care(session, plan, request, room)


def serve_with_care(
    session: SamplerSession, plan: Plan | None, request: AskRequest, room: int
) -> Attempt:
    """Hand out at most `room` trials, after checking the study's state, budgets, leases and queue.

    Trials whose leases have expired are ended, and the study is completed if its budget is used
    up. These changes are kept even if the ask is refused.
    """
    study = session.locked_study()
    is_as_planned = plan is not None and plan.revision == study.revision
    complete_if_used_up(study, actor=request.actor)
    held = _reoffer(study, request)
    expire_leases(study, actor=request.actor)
    n = n_allowed(study, min(request.count - len(held), room))
    # Without fixed values any trial in the queue will do, so they are counted and read later.
    agreeing = _queued(session, study, n, request) if request.fixed else None
    n_queued = min(n, study.n_waiting) if agreeing is None else len(agreeing)
    n_new = n_new_allowed(study, n - n_queued)
    n_planned = 0 if plan is None else plan.n_new(n_new)
    if n_planned < n_new and not is_as_planned:
        return _replan(held)
    queued = _queued(session, study, n_queued, request) if agreeing is None else agreeing
    drafts = _queued_drafts(session, queued, plan)
    if drafts is None:
        return _replan(held)
    _start_queued(session, study, queued, drafts, request)
    new: list[Trial] = []
    if plan is not None and n_planned > 0:
        reserved = _send_reserve(
            study, n_planned, request, passes_queue=bool(request.fixed)
        ).first()
        if reserved is None:
            raise PlanInvalidated  # a lease or the deadline has passed since the checks above
        new = _start_new(session, reserved, plan, request, n_planned)
    trials = [*held, *queued, *new]
    if trials:
        return Served(trials)
    return Refused(refusal_of_ask(study, room, request.fixed, session.n_left_at(request.fixed)))


def _replan(held: Sequence[Trial]) -> Replan:
    """Return `Replan`; if trials were returned to their worker, undo that, or it counts twice."""
    if held:
        raise PlanInvalidated
    return Replan()


# Starting trials ---------------------------------------------------------------------------


def _reoffer(study: Study, request: AskRequest) -> list[Trial]:
    """Return the trials that the worker already holds, with a new lease.

    A trial that was returned too often without a sign that it is evaluated fails. After an expired
    lease it is another attempt, so the trial is returned only if `max_retries` allows.
    """
    if not request.may_be_reoffered or not study.is_open:
        return []
    held = Trial.objects.held(study, request.worker_id)
    worn_out = [trial for trial in held if trial.reoffers >= study.max_reoffers]
    if worn_out:
        fail_reoffered_trials(study, worn_out, actor=request.actor)
    kept = [
        trial
        for trial in held
        if trial.state == TrialState.RUNNING
        and not has_run_too_long(trial)
        and (trial.attempt <= study.max_retries or not trial.has_lapsed(study.now))
    ][: request.count]
    if kept:
        Trial.objects.hold(study, kept, request.lease)
    for trial in kept:
        trial.reoffered = True
    return kept


def _queued(session: SamplerSession, study: Study, n: int, request: AskRequest) -> list[Trial]:
    """Return the first n queued trials that have the fixed values, or can get them."""
    if n <= 0 or not study.n_waiting:
        return []
    return queued_trials(session, study, n, request.fixed)


def _queued_drafts(
    session: SamplerSession, queued: Sequence[Trial], plan: Plan | None
) -> dict[int, Draft] | None:
    """Return the drafts of the queued trials that need one, by `point_number`.

    The result is None if one is missing. Repeats of one point share a draft.
    """
    drafts: dict[int, Draft] = {}
    for trial in queued:
        if session.needs_draft(trial):
            draft = None if plan is None else plan.queued_draft(trial)
            if draft is None:
                return None
            drafts[trial.point_number] = draft
    return drafts


def _start_queued(
    session: SamplerSession,
    study: Study,
    queued: Sequence[Trial],
    drafts: Mapping[int, Draft],
    request: AskRequest,
) -> None:
    """Start queued trials; those with a draft get its parameters and attributes."""
    others = _other_repeats(study, queued, drafts)
    for trial in queued:
        draft = drafts.get(trial.point_number)
        if draft is not None:
            draft.reserve(trial.point_number)
            if request.fixed:
                trial.system_attrs |= {FIXED_PARAMS: {**request.fixed, **trial.params}}
            trial.internal_params = session.internal_params(draft, trial.internal_params)
        if draft is not None and not trial.is_further_repeat:
            trial.system_attrs = trial.system_attrs | draft.system_attrs
            added = new_study_attrs(study, draft.study_attrs)
            trial.study_attrs = {**(trial.study_attrs or {}), **added} or None
        trial.lease_seconds = request.lease.of(study)
        trial.space_version = study.search_space_version
        _hand_out(trial, study.now, study.max_trial_seconds, request)
    for trial in others:
        draft = drafts[trial.point_number]
        trial.internal_params = session.internal_params(draft, trial.internal_params)
        trial.system_attrs = {FIXED_PARAMS: trial.params}
    changed = [*queued, *others]
    mark_points(session, changed, list(drafts.values()), are_queued=True)
    if queued:
        Trial.objects.change(study, changed, was=[TrialState.WAITING] * len(changed))


def _other_repeats(
    study: Study, queued: Sequence[Trial], drafts: Mapping[int, Draft]
) -> list[Trial]:
    """Return the repeats that go on waiting, of points whose last parameters are drawn now."""
    incomplete = {
        trial.point_number
        for trial in queued
        if trial.point_number in drafts and not trial.has_all_params
    }
    if study.repeats is None or not incomplete:
        return []
    return Trial.objects.waiting_repeats(study, incomplete, but=queued)


def _send_reserve(
    study: Study, n: int, request: AskRequest, *, passes_queue: bool = False
) -> Sent[Reservation]:
    """Reserve n new trials to start, and the other repeats of their points, which wait."""
    return Trial.objects.send_reserve_running(
        study,
        n,
        request.lease,
        n_waiting=-n % study.n_repeats,
        passes_queue=passes_queue,
    )


def _start_new(
    session: SamplerSession, reserved: Reservation, plan: Plan, request: AskRequest, n: int
) -> list[Trial]:
    """Store new trials under the numbers that were reserved for them, and return the first n.

    Those start. In a study with repeats, each point has a group of trials with numbers in a row, of
    which the last one's may have to wait.
    """
    study = session.study
    # The same attribute as Optuna's `enqueue_trial` sets.
    fixed = {FIXED_PARAMS: dict(request.fixed)} if request.fixed else {}
    trials: list[Trial] = []
    points: list[Trial] = []
    for index in range(0, len(reserved.ids), study.n_repeats):
        number = reserved.first_number + index
        draft = plan.new_draft(index // study.n_repeats, number)
        draft.reserve(number)
        trial = Trial.reserved(
            reserved,
            index,
            study=study,
            internal_params=session.internal_params(draft),
            system_attrs=draft.system_attrs | fixed,
            study_attrs=draft.study_attrs or None,
        )
        points.append(trial)
        trials += [trial, *further_repeats(trial, reserved, index)]
    mark_points(session, points, plan.new[: len(points)])
    for trial in trials[:n]:
        trial.lease_seconds = reserved.lease_seconds
        trial.space_version = study.search_space_version
        _hand_out(trial, reserved.now, reserved.max_trial_seconds, request)
    form_groups(study, trials)
    Trial.objects.add(trials)
    return trials[:n]


def _hand_out(
    trial: Trial, now: datetime, max_trial_seconds: float | None, request: AskRequest
) -> None:
    trial.state = TrialState.RUNNING
    trial.datetime_start = now
    trial.worker_id = request.worker_id
    trial.token = request.actor.token_id
    trial.renew_lease(now, max_trial_seconds)
    trial.steps, trial.step_values = [], []

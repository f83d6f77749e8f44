"""One attempt to serve an ask by its plan, within the ask's transaction.

`PlanInvalidated` is raised if the plan fails after a write, which must be rolled back; before any
such write, `Replan` is returned.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from optuna_bridge.enums import TrialState
from studies.models import Study
from trials.domain.asking.limits import n_allowed, n_new_allowed, refusal_of_ask
from trials.domain.asking.request import AskRequest
from trials.domain.asking.starting import send_reserve, start_new, start_queued
from trials.domain.expire_leases import (
    expire_leases,
    fail_reoffered_trials,
    has_run_too_long,
)
from trials.domain.finish_trial import complete_if_used_up
from trials.models import Trial
from trials.sampling.drafts import Draft, PlanInvalidated
from trials.sampling.plan import Plan, queued_trials
from trials.sampling.session import SamplerSession
from tuner_project.errors import DomainError


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
        reserving = send_reserve(session.study, n, request)
        held = None
        if request.may_be_reoffered:
            held = Trial.objects.send_held(session.study, request.worker_id)
        reserved = reserving.first()
        if reserved is not None:
            if held is not None and any(held):
                raise PlanInvalidated  # a concurrent request of this worker got its trials first
            return Served(start_new(session, reserved, plan, request, n))
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
    start_queued(session, study, queued, drafts, request)
    new: list[Trial] = []
    if plan is not None and n_planned > 0:
        reserved = send_reserve(study, n_planned, request, passes_queue=bool(request.fixed)).first()
        if reserved is None:
            raise PlanInvalidated  # a lease or the deadline has passed since the checks above
        new = start_new(session, reserved, plan, request, n_planned)
    trials = [*held, *queued, *new]
    if trials:
        return Served(trials)
    return Refused(refusal_of_ask(study, room, request.fixed, session.n_left_at(request.fixed)))


def _replan(held: Sequence[Trial]) -> Replan:
    """Return `Replan`; if trials were returned to their worker, undo that, or it counts twice."""
    if held:
        raise PlanInvalidated
    return Replan()


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

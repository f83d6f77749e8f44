"""One attempt to serve an ask by its plan, within the ask's transaction.

`PlanInvalidated` is raised if the plan fails after a write, which must be rolled back; before any
such write, `Replan` is returned.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from access.actors import Actor
from optuna_bridge.enums import TrialState
from studies.domain.lifecycle import refusal
from studies.domain.limits import n_trials_left, too_many_trials
from studies.enums import StudyState
from studies.errors import BudgetInFlight, TooManyRunning
from studies.models import Study
from trials.domain.asking.running_limit import too_many_running
from trials.domain.expire_leases import (
    expire_leases,
    fail_reoffered_trials,
    has_run_too_long,
)
from trials.domain.finish_trial import complete_if_used_up
from trials.models import Trial
from trials.models.leases import OF_STUDY, Lease
from trials.models.reservation import Reservation
from trials.projection.trial_rows import new_study_attrs
from trials.sampling.drafts import Draft, PlanInvalidated
from trials.sampling.plan import Plan, mark_points
from trials.sampling.session import SamplerSession
from tuner_project.errors import DomainError


@dataclass(frozen=True)
class AskRequest:
    """The arguments of an ask.

    A worker with a `worker_id` gets the trials that it already holds, unless `new` is set.
    """

    actor: Actor
    count: int = 1
    worker_id: str = ""
    new: bool = False
    lease: Lease = OF_STUDY

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
        reserving = Trial.objects.send_reserve_running(session.study, n, request.lease)
        held = None
        if request.may_be_reoffered:
            held = Trial.objects.send_held(session.study, request.worker_id)
        reserved = reserving.first()
        if reserved is not None:
            if held is not None and any(held):
                raise PlanInvalidated  # a concurrent request of this worker got its trials first
            return Served(_start_new(session, reserved, plan, request))
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
    n = _room(study, min(request.count - len(held), room))
    n_queued = min(n, study.n_waiting)
    n_new = _n_new(study, n - n_queued)
    n_planned = 0 if plan is None else plan.n_new(n_new)
    if n_planned < n_new and not is_as_planned:
        return _replan(held)
    queued = Trial.objects.queue(study, n_queued) if n_queued > 0 else []
    drafts = _queued_drafts(session, queued, plan)
    if drafts is None:
        return _replan(held)
    _start_queued(session, study, queued, drafts, request)
    new: list[Trial] = []
    if plan is not None and n_planned > 0:
        reserved = Trial.objects.send_reserve_running(study, n_planned, request.lease).first()
        if reserved is None:
            raise PlanInvalidated  # a lease or the deadline has passed since the checks above
        new = _start_new(session, reserved, plan, request)
    trials = [*held, *queued, *new]
    return Served(trials) if trials else Refused(_refusal(study, room))


def _replan(held: Sequence[Trial]) -> Replan:
    """Return `Replan`; if trials were returned to their worker, undo that, or it counts twice."""
    if held:
        raise PlanInvalidated
    return Replan()


# Limits ------------------------------------------------------------------------------------


def _room(study: Study, n: int) -> int:
    """Return how many of n further trials the study's state and `max_concurrent` allow."""
    if study.state != StudyState.ACTIVE:
        return 0
    if study.max_concurrent is None:
        return n
    return max(0, min(n, study.max_concurrent - study.n_running))


def _n_new(study: Study, n: int) -> int:
    """Return how many of n new trials the budgets allow."""
    if study.max_trials is not None:
        n = min(n, study.max_trials - study.n_counted)
    if (n_left := n_trials_left(study)) is not None:
        n = min(n, n_left)
    return n


def _refusal(study: Study, room: int) -> DomainError:
    """Return the error that says why a study hands out no trials."""
    error = refusal(study)
    if error is not None:
        return error
    if room == 0:
        return too_many_running()
    if n_trials_left(study) == 0 and study.n_waiting == 0:
        return too_many_trials(study)
    is_full = study.max_concurrent is not None and study.n_running >= study.max_concurrent
    if is_full and (study.n_waiting > 0 or not study.is_handed_out):
        return TooManyRunning(
            f'study "{study.name}" has {study.n_running} running trials, the maximum: try again'
        )
    return BudgetInFlight(
        f'all trials of study "{study.name}" are handed out; a running one may yet fail: try again'
    )


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


def _queued_drafts(
    session: SamplerSession, queued: Sequence[Trial], plan: Plan | None
) -> dict[int, Draft] | None:
    """Return, by number, the drafts of the queued trials that need one; None if one is missing."""
    drafts: dict[int, Draft] = {}
    for trial in queued:
        if session.needs_draft(trial):
            draft = None if plan is None else plan.queued_draft(trial)
            if draft is None:
                return None
            drafts[trial.number] = draft
    return drafts


def _start_queued(
    session: SamplerSession,
    study: Study,
    queued: Sequence[Trial],
    drafts: Mapping[int, Draft],
    request: AskRequest,
) -> None:
    """Start queued trials; those with a draft get its parameters and attributes."""
    for trial in queued:
        draft = drafts.get(trial.number)
        if draft is not None:
            draft.reserve(trial.number)
            trial.internal_params = session.internal_params(draft)
            trial.system_attrs = trial.system_attrs | draft.system_attrs
            added = new_study_attrs(study, draft.study_attrs)
            trial.study_attrs = {**(trial.study_attrs or {}), **added} or None
        trial.lease_seconds = request.lease.of(study)
        _hand_out(trial, study.now, study.max_trial_seconds, request)
    mark_points(session, queued, list(drafts.values()))
    if queued:
        Trial.objects.change(study, queued, was=[TrialState.WAITING] * len(queued))


def _start_new(
    session: SamplerSession, reserved: Reservation, plan: Plan, request: AskRequest
) -> list[Trial]:
    """Store new trials under the numbers that were reserved for them."""
    study = session.study
    trials = []
    for index in range(len(reserved.ids)):
        number = reserved.first_number + index
        draft = plan.new_draft(index, number)
        draft.reserve(number)
        trial = Trial.reserved(
            reserved,
            index,
            study=study,
            internal_params=session.internal_params(draft),
            system_attrs=draft.system_attrs,
            study_attrs=draft.study_attrs or None,
        )
        trial.lease_seconds = reserved.lease_seconds
        _hand_out(trial, reserved.now, reserved.max_trial_seconds, request)
        trials.append(trial)
    mark_points(session, trials, plan.new[: len(trials)])
    Trial.objects.add(trials)
    return trials


def _hand_out(
    trial: Trial, now: datetime, max_trial_seconds: float | None, request: AskRequest
) -> None:
    trial.state = TrialState.RUNNING
    trial.datetime_start = now
    trial.worker_id = request.worker_id
    trial.token = request.actor.token_id
    trial.renew_lease(now, max_trial_seconds)
    trial.steps, trial.step_values = [], []

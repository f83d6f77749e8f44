"""Ask: trials for workers, from the queue or drawn by the sampler."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from access.actors import Actor
from optuna_bridge.enums import TrialState
from studies.domain.lifecycle import refusal
from studies.domain.limits import n_trials_left, too_many_trials
from studies.enums import StudyState
from studies.errors import BudgetInFlight, Contended, TooManyRunning
from studies.models import NamedStudy, Study
from trials.domain.expire_leases import expire
from trials.domain.finish_trial import complete_if_used_up
from trials.domain.running_limit import room_of_token, too_many_running
from trials.models import Trial
from trials.models.leases import Lease
from trials.models.managers import Reservation
from trials.projection.trial_rows import not_noted
from trials.sampling.drafts import Draft, PlanInvalidated
from trials.sampling.plan import Plan
from trials.sampling.session import SamplerSession
from trials.sampling.session_registry import session_registry
from trials.sampling.visited_points import has_point
from tuner_project.observability.stopwatch import AskWatch, stopwatch
from tuner_project.rest.problems import DomainError

MAX_PLANS = 100  # each in vain because others were served
OF_STUDY = Lease(is_studys=True)


@dataclass(frozen=True)
class AskRequest:
    """What an ask is for. A `worker_id` gets back what it holds, unless `new` says otherwise."""

    actor: Actor
    count: int = 1
    worker_id: str = ""
    new: bool = False
    lease: Lease = OF_STUDY

    @property
    def may_be_reoffered(self) -> bool:
        return bool(self.worker_id) and not self.new


def ask(
    *,
    actor: Actor,
    named: NamedStudy,
    worker_id: str = "",
    new: bool = False,
    lease: Lease = OF_STUDY,
) -> Trial:
    """A RUNNING trial for a worker of the study of a name; raises what `ask_many` does."""
    trials = ask_many(actor=actor, named=named, count=1, worker_id=worker_id, new=new, lease=lease)
    return trials[0]


def ask_many(
    *,
    actor: Actor,
    named: NamedStudy,
    count: int,
    worker_id: str = "",
    new: bool = False,
    lease: Lease = OF_STUDY,
) -> list[Trial]:
    """At most `count` RUNNING trials, and one at least: fewer where the budgets leave no more.

    First those that the worker holds already (`reoffered`), then those that wait in the queue,
    then new ones. The sampler thinks before the transaction, holding nothing. Only one that must
    know the trial's number draws inside: a quasi-random one, in microseconds, and a seeded one in
    the rare case that another ask took the number that was expected.

    Raises:
        StudyNotFound
        StudyPaused, StudyCompleted, StudyCancelled
        TooManyTrials
        TooManyRunning, TooManyRunningOfToken, BudgetInFlight, Contended: ask again in a moment.
    """
    wanted = AskRequest(actor, count, worker_id, new, lease)

    def measured(history: SamplerSession) -> list[Trial]:
        with AskWatch(study=named.name, sampler=history.study.sampler):
            return _ask(history, wanted)

    return session_registry.use(named, measured)


def _ask(history: SamplerSession, wanted: AskRequest) -> list[Trial]:
    """Serve what was planned for. Where something else is found, another ask was served meanwhile
    or the study has changed: plan again."""
    held = wanted.may_be_reoffered and Trial.objects.held(history.study, wanted.worker_id)
    # Where nothing is going to be drawn, the sampler need not think.
    is_refusing = history.has_refused and history.taken is None  # else it knows what is left
    plan = None if held or is_refusing else Plan.of(history, wanted.count)
    serve = _serve_with_care if plan is None else _serve
    for _ in range(MAX_PLANS):
        try:
            with stopwatch("database"), transaction.atomic():
                found = serve(history, plan, wanted, room_of_token(wanted.actor, wanted.count))
        except PlanInvalidated:
            found = None
        finally:
            if plan is not None:
                plan.close()
        history.has_refused = isinstance(found, DomainError)
        if isinstance(found, DomainError):
            raise found
        if found is not None:
            return found
        plan, serve = Plan.of(history, wanted.count), _serve_with_care
    raise Contended(f"{MAX_PLANS} times in a row, others were faster to ask the same study")


def _serve(
    history: SamplerSession, plan: Plan | None, wanted: AskRequest, room: int
) -> list[Trial] | DomainError | None:
    """Hand out trials, `room` at most, or say why not; None: something else was planned for."""
    n = wanted.count
    if plan is not None and not plan.queued and plan.n_new(n) == n == room:
        reserved = Trial.objects.reserve_running(history.study, n, wanted.lease)
        if reserved is not None:
            if wanted.may_be_reoffered and Trial.objects.held(history.study, wanted.worker_id):
                raise PlanInvalidated  # this worker's other request was faster
            return _start_new(history, reserved, plan, wanted)
    return _serve_with_care(history, plan, wanted, room)


def _serve_with_care(
    history: SamplerSession, plan: Plan | None, wanted: AskRequest, room: int
) -> list[Trial] | DomainError | None:
    """The same where the study's state, budgets, leases or queue need a look.

    What it ends on the way, trials or the study, stays so, whatever it gives.
    """
    study = history.locked_study()
    is_as_planned = plan is not None and plan.revision == study.revision
    complete_if_used_up(study, actor=wanted.actor)
    held = _reoffer(study, wanted)
    expire(study, actor=wanted.actor)
    n = _room(study, min(wanted.count - len(held), room))
    n_queued = min(n, study.n_waiting)
    n_new = n - n_queued
    if study.max_trials is not None:
        n_new = min(n_new, study.max_trials - study.n_counted)
    if (n_left := n_trials_left(study)) is not None:
        n_new = min(n_new, n_left)
    n_planned = 0 if plan is None else plan.n_new(n_new)
    if n_planned < n_new and not is_as_planned:
        return None
    queued = _start_queued(history, study, n_queued, plan, wanted)
    if queued is None:
        return None
    new: list[Trial] = []
    if plan is not None and n_planned > 0:
        reserved = Trial.objects.reserve_running(study, n_planned, wanted.lease)
        if reserved is None:
            raise PlanInvalidated  # a moment later, a lease or the deadline has passed
        new = _start_new(history, reserved, plan, wanted)
    return [*held, *queued, *new] or _refusal(study, room)


def _room(study: Study, n: int) -> int:
    """How many of n trials more may run at a time."""
    if study.state != StudyState.ACTIVE:
        return 0
    if study.max_concurrent is None:
        return n
    return max(0, min(n, study.max_concurrent - study.n_running))


def _refusal(study: Study, room: int) -> DomainError:
    """Why a study hands out nothing."""
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
            f'study "{study.name}" runs {study.n_running} trials, as many as it may at a time'
        )
    return BudgetInFlight(
        f'all trials of study "{study.name}" are handed out; one that runs may yet free its place'
    )


def _reoffer(study: Study, wanted: AskRequest) -> list[Trial]:
    """The trials that the worker holds already, with a new lease."""
    if not wanted.may_be_reoffered or not study.is_open:
        return []
    held = Trial.objects.held(study, wanted.worker_id)[: wanted.count]
    if held:
        Trial.objects.hold(study, held, wanted.lease)
    for trial in held:
        trial.reoffered = True
    return held


def _start_queued(
    history: SamplerSession, study: Study, n: int, plan: Plan | None, wanted: AskRequest
) -> list[Trial] | None:
    """Start the first n trials of the queue; None: one needs a draft that was not planned for."""
    queued = Trial.objects.queue(study, n) if n > 0 else []
    drafts: list[Draft] = []
    for trial in queued:
        if history.needs_draft(trial):
            draft = plan and plan.draft_of(trial)
            if not draft:
                return None
            drafts.append(draft)
            trial.internal_params = study.space.to_internal(draft.trial.params)
            trial.system_attrs = trial.system_attrs | draft.system_attrs
            trial.study_attrs = not_noted(study, draft.study_attrs) or None
            draft.number = trial.number
        _hand_out(trial, study.now, wanted.lease.of(study), wanted)
    _mark_points(history, queued, drafts)
    if queued:
        Trial.objects.change(study, queued, was=[TrialState.WAITING] * len(queued))
    return queued


def _start_new(
    history: SamplerSession, reserved: Reservation, plan: Plan, wanted: AskRequest
) -> list[Trial]:
    """Store new trials under the numbers that were reserved for them."""
    study = history.study
    trials = []
    for index in range(len(reserved.ids)):
        number = reserved.first_number + index
        draft = plan.new_draft(index, number)
        draft.number = number
        trial = Trial.reserved(
            reserved,
            index,
            study=study,
            internal_params=study.space.to_internal(draft.trial.params),
            system_attrs=draft.system_attrs,
            study_attrs=draft.study_attrs or None,
        )
        _hand_out(trial, reserved.now, reserved.lease_seconds, wanted)
        trials.append(trial)
    _mark_points(history, trials, plan.new[: len(trials)])
    Trial.objects.add(trials)
    return trials


def _hand_out(trial: Trial, now: datetime, lease_seconds: float | None, wanted: AskRequest) -> None:
    trial.state = TrialState.RUNNING
    trial.datetime_start = now
    trial.worker_id = wanted.worker_id
    trial.token = wanted.actor.token_id
    trial.lease_seconds = lease_seconds
    trial.renew_lease(now)


def _mark_points(history: SamplerSession, trials: Sequence[Trial], drafts: Sequence[Draft]) -> None:
    """Where duplicates are avoided, mark trials by their points.

    Raises `PlanInvalidated` where the point of a draft has been taken since.
    """
    if history.taken is None:
        return
    if history.n_left is not None and any(d.is_repeated and not d.is_fixed for d in drafts):
        raise PlanInvalidated
    repeated = {draft.number for draft in drafts if draft.is_repeated}
    points = []
    for trial in trials:
        if trial.params_hash is not None:
            continue  # queued with all its parameters: somebody wants just this point
        trial.params_hash = history.study.point_hash(trial.internal_params)
        if trial.params_hash is not None and trial.number not in repeated:
            points.append(trial.params_hash)
    if points and has_point(history.study.id, points):
        raise PlanInvalidated

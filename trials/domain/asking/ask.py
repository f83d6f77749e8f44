"""Ask: hand out trials to workers, from the queue or drawn by the sampler."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from access.actors import Actor
from studies.errors import Contended
from studies.models import NamedStudy
from trials.domain.asking.attempt import (
    Attempt,
    Refused,
    Replan,
    Served,
    serve,
    serve_with_care,
)
from trials.domain.asking.request import AskRequest
from trials.domain.asking.running_limit import room_of_token
from trials.domain.asking.watch import AskWatch
from trials.domain.param_faults import param_faults
from trials.errors import InvalidFixedValues
from trials.models import Trial
from trials.models.leases import OF_STUDY, Lease
from trials.sampling.drafts import PlanInvalidated
from trials.sampling.plan import Plan, TimeLimit
from trials.sampling.session import SamplerSession
from trials.sampling.session_registry import session_registry
from tuner_project.db.pipelines import pipelined_transaction
from tuner_project.observability.stopwatch import stopwatch

# No further trial of a batch is drawn later than this; the last draw may take as long again.
MAX_DRAWING_SECONDS = 10
MAX_PLANS = 100  # attempts of one ask, each of which a concurrent ask may invalidate


def ask(
    *,
    actor: Actor,
    named: NamedStudy,
    worker_id: str = "",
    new: bool = False,
    lease: Lease = OF_STUDY,
    fixed: Mapping[str, Any] | None = None,
) -> Trial:
    """Hand out one RUNNING trial of the named study; raises the errors of `ask_many`."""
    return ask_many(
        actor=actor, named=named, count=1, worker_id=worker_id, new=new, lease=lease, fixed=fixed
    )[0]


def ask_many(
    *,
    actor: Actor,
    named: NamedStudy,
    count: int,
    worker_id: str = "",
    new: bool = False,
    lease: Lease = OF_STUDY,
    fixed: Mapping[str, Any] | None = None,
) -> list[Trial]:
    """Hand out RUNNING trials: at least one, and fewer than `count` if limits allow no more.

    They are fewer, too, if drawing them takes longer than MAX_DRAWING_SECONDS.

    The trials that the worker already holds come first (`reoffered`), then queued trials, then
    new ones. The sampler draws before the transaction, without a database lock and, if it is slow,
    without a connection. Only a sampler that needs the trial's number draws inside the transaction:
    a quasi-random one, which takes microseconds, and a seeded one in the rare case that another ask
    took the expected number.

    With `fixed` values of some or all parameters, new trials have them, and the sampler draws the
    others. A queued trial is handed out if it has these values, or has none yet and so gets them.
    A trial that the worker already holds is returned as it is.

    Raises:
        StudyNotFound
        InvalidFixedValues: a fixed value is not in the search space.
        FixedValuesExhausted: no unvisited point with the fixed values is left.
        StudyPaused, StudyCompleted, StudyCancelled
        TooManyTrials
        SamplerUnavailable: a part of the installation is missing.
        StudyBusy: too many asks wait for the study's sampler.
        SamplerUnsuited: the study is too large for its sampler.
        TooManyRunning, TooManyRunningOfToken, BudgetInFlight, Contended: try again later.
    """
    request = AskRequest(actor, count, worker_id, new, lease)

    def measured(session: SamplerSession) -> list[Trial]:
        with AskWatch(study=named.name, sampler=session.study.sampler):
            return _ask(session, replace(request, fixed=_in_space(session, fixed or {})))

    return session_registry.use(named, measured)


def _ask(session: SamplerSession, request: AskRequest) -> list[Trial]:
    """Draw a plan without a lock and try to serve it in a transaction, until a plan fits."""
    session.check_sampler_can_draw()
    limit = TimeLimit(MAX_DRAWING_SECONDS)
    is_synced = request.may_be_reoffered
    is_holding = is_synced and session.sync(request.worker_id)
    # Draw only if new trials will probably be needed.
    is_drawing = not is_holding and not session.expects_refusal
    plan = None
    if is_drawing:
        plan = Plan.draw(session, request.count, limit, fixed=request.fixed, is_synced=is_synced)
    with_care = plan is None
    for _ in range(MAX_PLANS):
        attempt = _attempt(session, plan, request, with_care=with_care)
        if not request.fixed:  # else other asks may be served
            session.remember_attempt(was_refused=isinstance(attempt, Refused))
        match attempt:
            case Served(trials):
                return trials
            case Refused(error):
                raise error
            case Replan():  # another ask was served meanwhile, or the study has changed
                plan = Plan.draw(session, request.count, limit, fixed=request.fixed)
                with_care = True
    raise Contended(f"concurrent asks of the study took precedence {MAX_PLANS} times: try again")


def _in_space(session: SamplerSession, fixed: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return fixed values as trials have them, after checking them against the search space."""
    study = session.study
    if faults := param_faults(study, fixed, "fixed"):
        session.check_version(NamedStudy(study.name).one().search_space_version)
        raise InvalidFixedValues(faults[0].detail, faults)
    return study.space.to_external(study.space.to_internal(fixed)) if fixed else fixed


def _attempt(
    session: SamplerSession, plan: Plan | None, request: AskRequest, *, with_care: bool
) -> Attempt:
    """Try to serve a plan in a transaction, which `PlanInvalidated` rolls back."""
    if plan is not None:
        request = replace(request, count=plan.count)
    try:
        with stopwatch("database"), pipelined_transaction():
            room = room_of_token(request.actor, request.count)
            if plan is None or with_care:
                return serve_with_care(session, plan, request, room)
            return serve(session, plan, request, room)
    except PlanInvalidated:
        return Replan()
    finally:
        if plan is not None:
            plan.close()

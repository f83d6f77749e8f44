"""Reports, by which the pruner decides, and heartbeats of a running trial."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from django.db import transaction

from optuna_bridge.enums import TrialState
from studies.enums import StudyState
from studies.models import NamedStudy
from trials.domain.fencing import UNFENCED, FencingToken
from trials.domain.trial_result import check_is_held, take_steps
from trials.errors import TrialFinished
from trials.models import Trial
from trials.sampling.pruning import decide_pruning
from trials.sampling.session import SamplerSession
from trials.sampling.session_registry import session_registry


@dataclass(frozen=True)
class HeartbeatReply:
    """The reply to a heartbeat: when the lease expires, and whether the evaluation should stop."""

    lease_expires_at: datetime | None
    should_stop: bool
    reason: str | None


@dataclass(frozen=True)
class ReportReply(HeartbeatReply):
    """The reply to a report: also whether the pruner would stop the trial.

    `replaced` are the steps that had another value before.
    """

    should_prune: bool
    replaced: Sequence[int]


def report(
    *,
    named: NamedStudy,
    number: int,
    steps: Mapping[int, float],
    fence: FencingToken = UNFENCED,
) -> ReportReply:
    """Store intermediate values of a RUNNING trial, renew its lease, and ask the pruner.

    The last value of a step counts: an earlier one is replaced, and the pruner decides again. It
    decides before any lock is taken, by all that is committed. If all values are already stored,
    the earlier decision is returned.

    Raises:
        StudyNotFound, TrialNotFound
        StudyReplaced, NotHolder: it is not the trial that `fence` names.
        TrialFinished, TrialNotRunning, LeaseLost: the trial is not running.
    """
    return session_registry.use(named, lambda session: _report(session, number, steps, fence))


def heartbeat(*, named: NamedStudy, number: int, fence: FencingToken = UNFENCED) -> HeartbeatReply:
    """Renew a RUNNING trial's lease.

    Raises:
        StudyNotFound, TrialNotFound
        StudyReplaced, NotHolder: it is not the trial that `fence` names.
        TrialFinished, TrialNotRunning, LeaseLost: the trial is not running.
    """
    renew = partial(Trial.objects.renew, study_id=fence.study_id, worker_id=fence.worker_id)
    while (renewed := renew(named.name, number)) is None:
        study = named.one()
        fence.check_study(study)
        _check_runs(Trial.objects.get_by_number(study, number), fence)
    return _reply(*renewed)


def _report(
    session: SamplerSession, number: int, steps: Mapping[int, float], fence: FencingToken
) -> ReportReply:
    decision = decide_pruning(session, number, steps)
    with transaction.atomic():
        study = session.locked_study()
        fence.check_study(study)
        trial = Trial.objects.get_by_number(study, number)
        _check_runs(trial, fence)
        changes = take_steps(trial, steps)
        if decision is not None and changes.changed:
            trial.should_prune = decision.should_prune
            kept = {k: v for k, v in trial.system_attrs.items() if k not in decision.dropped}
            trial.replace_system_attrs(kept | dict(decision.system_attrs))
        trial.renew_lease(study.now)
        trial.reoffers = 0
        Trial.objects.change(study, [trial], was=[TrialState.RUNNING], steps=changes.changed)
    reply = _reply(trial.lease_expires_at, study.state, study.state_reason)
    reason = reply.reason
    if trial.should_prune and reason is None:
        reason = f"the pruner {study.pruner} would stop it at step {trial.steps[-1]}"
    return ReportReply(
        reply.lease_expires_at, reply.should_stop, reason, trial.should_prune, changes.replaced
    )


def _check_runs(trial: Trial, fence: FencingToken) -> None:
    check_is_held(trial, fence)
    if trial.state != TrialState.RUNNING:
        raise TrialFinished(f"trial {trial.number} has ended: it is {trial.state}")


def _reply(lease_expires_at: datetime | None, state: str, state_reason: str) -> HeartbeatReply:
    should_stop = state == StudyState.CANCELLED
    because = f": {state_reason}" if state_reason else ""
    reason = f"the study was cancelled{because}" if should_stop else None
    return HeartbeatReply(lease_expires_at, should_stop, reason)

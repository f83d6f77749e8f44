"""Reports, by which the pruner decides, and heartbeats of a running trial."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from optuna_bridge.enums import TrialState
from studies.enums import StudyState
from studies.models import NamedStudy
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
    """The reply to a report: also whether the pruner would stop the trial."""

    should_prune: bool


def report(*, named: NamedStudy, number: int, steps: Mapping[int, float]) -> ReportReply:
    """Store intermediate values of a RUNNING trial, renew its lease, and ask the pruner.

    The pruner decides before any lock is taken, by all that is committed. If all values are
    already stored, the earlier decision is returned.

    Raises:
        StudyNotFound, TrialNotFound
        TrialFinished, TrialNotRunning, LeaseLost: the trial is not running.
        StepConflict: another value is stored for a step.
    """
    return session_registry.use(named, lambda session: _report(session, number, steps))


def heartbeat(*, named: NamedStudy, number: int) -> HeartbeatReply:
    """Renew a RUNNING trial's lease.

    Raises:
        StudyNotFound, TrialNotFound
        TrialFinished, TrialNotRunning, LeaseLost: the trial is not running.
    """
    while (renewed := Trial.objects.renew(named.name, number)) is None:
        _check_runs(Trial.objects.get_by_number(named.one(), number))
    return _reply(*renewed)


def _report(session: SamplerSession, number: int, steps: Mapping[int, float]) -> ReportReply:
    decision = decide_pruning(session, number, steps)
    with transaction.atomic():
        study = session.locked_study()
        trial = Trial.objects.get_by_number(study, number)
        _check_runs(trial)
        new = take_steps(trial, steps)
        if decision is not None and new:
            trial.should_prune = decision.should_prune
            trial.system_attrs = trial.system_attrs | dict(decision.system_attrs)
        trial.renew_lease(study.now)
        Trial.objects.change(study, [trial], was=[TrialState.RUNNING], steps=new)
    reply = _reply(trial.lease_expires_at, study.state, study.state_reason)
    reason = reply.reason
    if trial.should_prune and reason is None:
        reason = f"the pruner {study.pruner} would stop it at step {trial.steps[-1]}"
    return ReportReply(reply.lease_expires_at, reply.should_stop, reason, trial.should_prune)


def _check_runs(trial: Trial) -> None:
    check_is_held(trial)
    if trial.state != TrialState.RUNNING:
        raise TrialFinished(f"trial {trial.number} has ended: it is {trial.state}")


def _reply(lease_expires_at: datetime | None, state: str, state_reason: str) -> HeartbeatReply:
    should_stop = state == StudyState.CANCELLED
    because = f": {state_reason}" if state_reason else ""
    reason = f"the study was cancelled{because}" if should_stop else None
    return HeartbeatReply(lease_expires_at, should_stop, reason)

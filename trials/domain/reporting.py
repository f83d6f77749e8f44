"""Reports, by which the pruner decides, and heartbeats of a running trial."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from types import MappingProxyType
from typing import Any

from optuna_bridge.enums import TrialState
from studies.enums import StudyState
from studies.models import NamedStudy
from trials.domain.fencing import UNFENCED, FencingToken
from trials.domain.locking import lock_trial, read_trial
from trials.domain.trial_limits import check_room_on_trial
from trials.domain.trial_result import check_is_held, take_steps
from trials.errors import TrialFinished
from trials.models import Trial
from trials.sampling.pruning import decide_by_trial, decide_pruning
from trials.sampling.session import SamplerSession
from trials.sampling.session_registry import session_registry
from tuner_project.db.pipelines import pipelined_transaction

NOTHING: Mapping[str, Any] = MappingProxyType({})


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
    user_attrs: Mapping[str, Any] = NOTHING,
    fence: FencingToken = UNFENCED,
) -> ReportReply:
    """Store intermediate values of a RUNNING trial, renew its lease, and ask the pruner.

    The last value of a step counts: an earlier one is replaced, and the pruner decides again. It
    decides before any lock is taken, by all that is committed; one that reads no other trials
    decides by the locked trial. If all values are already stored,
    the earlier decision is returned.

    Raises:
        StudyNotFound, TrialNotFound
        StudyReplaced, NotHolder: it is not the trial that `fence` names.
        TrialFinished, TrialNotRunning, LeaseLost: the trial is not running.
        InvalidResult: it would have too many steps or attributes.
    """
    return session_registry.use(
        named, lambda session: _report(session, number, steps, user_attrs, fence)
    )


def heartbeat(
    *,
    named: NamedStudy,
    number: int,
    user_attrs: Mapping[str, Any] = NOTHING,
    fence: FencingToken = UNFENCED,
) -> HeartbeatReply:
    """Renew a RUNNING trial's lease; with `user_attrs`, add them to the trial's.

    Raises:
        StudyNotFound, TrialNotFound
        StudyReplaced, NotHolder: it is not the trial that `fence` names.
        TrialFinished, TrialNotRunning, LeaseLost: the trial is not running.
        InvalidResult: it would have too many steps or attributes.
    """
    if user_attrs:
        trial = add_user_attrs(named=named, number=number, user_attrs=user_attrs, fence=fence)
        return _reply_of(trial)
    renew = partial(Trial.objects.renew, study_id=fence.study_id, worker_id=fence.worker_id)
    while (renewed := renew(named.name, number)) is None:
        _check_runs(read_trial(named, number, fence), fence)
    return _reply(*renewed)


@pipelined_transaction()
def add_user_attrs(
    *,
    named: NamedStudy,
    number: int,
    user_attrs: Mapping[str, Any],
    fence: FencingToken = UNFENCED,
) -> Trial:
    """Add user attributes to those of a RUNNING trial, and renew its lease, as by a heartbeat.

    Raises:
        StudyNotFound, TrialNotFound
        StudyReplaced, NotHolder: it is not the trial that `fence` names.
        TrialFinished, TrialNotRunning, LeaseLost: the trial is not running.
        InvalidResult: it would have too many steps or attributes.
    """
    trial = lock_trial(named, number, fence)
    _check_runs(trial, fence)
    check_room_on_trial(trial, (), user_attrs)
    _store_sign_of_life(trial, user_attrs)
    return trial


def _report(
    session: SamplerSession,
    number: int,
    steps: Mapping[int, float],
    user_attrs: Mapping[str, Any],
    fence: FencingToken,
) -> ReportReply:
    decision = decide_pruning(session, number, steps)
    with pipelined_transaction():
        trial = lock_trial(NamedStudy(session.study.name), number, fence)
        session.check_is_of(trial.study)
        _check_runs(trial, fence)
        check_room_on_trial(trial, steps, user_attrs)
        stored = trial.intermediate_values
        changes = take_steps(trial, steps)
        if changes.changed and decision is None:
            decision = decide_by_trial(session, trial, stored, steps)
        if decision is not None and changes.changed:
            trial.should_prune = decision.should_prune
            kept = {k: v for k, v in trial.system_attrs.items() if k not in decision.dropped}
            trial.replace_system_attrs(kept | dict(decision.system_attrs))
        _store_sign_of_life(trial, user_attrs, changes.changed)
    reply = _reply_of(trial)
    reason = reply.reason
    if trial.should_prune and reason is None:
        reason = f"the pruner {trial.study.pruner} would stop it at step {trial.steps[-1]}"
    return ReportReply(
        reply.lease_expires_at, reply.should_stop, reason, trial.should_prune, changes.replaced
    )


def _store_sign_of_life(
    trial: Trial,
    user_attrs: Mapping[str, Any],
    steps: Sequence[tuple[Trial, int, float]] = (),
) -> None:
    """Renew a running trial's lease, and store what was changed on it and its new steps."""
    study = trial.study
    trial.user_attrs = trial.user_attrs | dict(user_attrs)
    trial.renew_lease(study.now, study.max_trial_seconds)
    trial.reoffers = 0
    Trial.objects.change(study, [trial], was=[TrialState.RUNNING], steps=steps)


def _check_runs(trial: Trial, fence: FencingToken) -> None:
    check_is_held(trial, fence)
    if trial.state != TrialState.RUNNING:
        raise TrialFinished(f"trial {trial.number} has ended: it is {trial.state}")


def _reply_of(trial: Trial) -> HeartbeatReply:
    study = trial.study
    return _reply(
        trial.lease_expires_at,
        study.state,
        study.state_reason,
        study.stop_running,
        trial.has_lapsed(study.now),
    )


def _reply(
    lease_expires_at: datetime | None,
    state: str,
    state_reason: str,
    stop_running: bool,
    has_run_too_long: bool,
) -> HeartbeatReply:
    because = f": {state_reason}" if state_reason else ""
    reason = None
    if state == StudyState.CANCELLED:
        reason = f"the study was cancelled{because}"
    elif state == StudyState.COMPLETED and stop_running:
        reason = f"the study is completed{because}"
    elif has_run_too_long:
        reason = "the trial has run for max_trial_seconds"
    return HeartbeatReply(lease_expires_at, reason is not None, reason)

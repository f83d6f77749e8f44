"""How trials end, and what is added that nobody asked for, is noted in the audit.

It is in the transaction that writes the trials: an entry for what happened to them together.
Asks, reports and heartbeats are not noted: of an ask, the trial itself says when and for whom.
"""

import math
from collections.abc import Sequence
from typing import Any

from django.dispatch import receiver

from access.domain.audit import record, shortened
from access.models.audit_entry import Action, AuditEntry, SubjectKind
from optuna_bridge.enums import TrialState
from trials.models import Trial
from trials.signals import trials_added, trials_changed

_ENDED = {
    TrialState.COMPLETE: Action.TOLD,
    TrialState.PRUNED: Action.PRUNED,
    TrialState.FAIL: Action.FAILED,
}


@receiver(trials_added, sender=Trial, dispatch_uid="trials.audit_added")
def audit_added(trials: list[Trial], **kwargs: Any) -> None:
    _record(trials, [_addition(trial) for trial in trials])


@receiver(trials_changed, sender=Trial, dispatch_uid="trials.audit_changed")
def audit_changed(trials: list[Trial], **kwargs: Any) -> None:
    _record(trials, [_ending(trial) for trial in trials])


def _addition(trial: Trial) -> Action | None:
    if trial.state == TrialState.RUNNING or trial.retry_of is not None:
        return None  # asked for; queued again, which the entry of its failure says
    return Action.QUEUED if trial.state == TrialState.WAITING else Action.RECORDED


def _ending(trial: Trial) -> Action | None:
    """How a changed trial ended; None: it was started, or reported of."""
    if trial.state == TrialState.FAIL and trial.datetime_start is None:
        return Action.CANCELLED
    if trial.has_lost_lease:
        return Action.EXPIRED
    return _ENDED.get(TrialState(trial.state)) if trial.state else None


def _record(trials: Sequence[Trial], actions: Sequence[Action | None]) -> None:
    together: dict[Action, list[Trial]] = {}
    for trial, action in zip(trials, actions, strict=True):
        if action is not None:
            together.setdefault(action, []).append(trial)
    record([_entry(action, each) for action, each in together.items()])


def _entry(action: Action, trials: Sequence[Trial]) -> AuditEntry:
    study = trials[0].study
    return AuditEntry(
        action=action,
        kind=SubjectKind.TRIAL,
        subject=study.name,
        subject_id=study.id,
        numbers=[trial.number for trial in trials],
        details={"state": trials[0].state} | (_result(trials[0]) if len(trials) == 1 else {}),
    )


def _result(trial: Trial) -> dict[str, Any]:
    details: dict[str, Any] = {}
    if trial.values is not None:
        details["values"] = [v if math.isfinite(v) else str(v) for v in trial.values]
    if trial.reason:
        details["reason"] = shortened(trial.reason)
    if trial.retried_as is not None:
        details["retried_as"] = trial.retried_as
    return details

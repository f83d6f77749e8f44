"""Failing the trials whose workers did not report in time, or do not survive them."""

from collections.abc import Collection, Sequence
from datetime import timedelta
from functools import partial

from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now

from access.actors import SERVICE, Actor
from access.models.audit_entry import Action
from optuna_bridge.enums import TrialState
from studies.enums import StudyState
from studies.errors import StudyNotFound
from studies.models import NamedStudy, Study
from trials.domain.finish_trial import FinishedTrial, complete_if_used_up, finish_trials
from trials.models import Trial
from trials.signals import leases_expired

LEASE_EXPIRED = "lease expired"
RAN_TOO_LONG = "ran longer than max_trial_seconds"
REOFFERED_TOO_OFTEN = "reoffered too often"


def expire_leases(study: Study, *, actor: Actor) -> list[Trial]:
    """Fail the trials of a locked study whose leases have expired, and return them.

    Each is queued again if `max_retries` allows. The audit records the service as the actor,
    within the request of `actor`.
    """
    if study.next_lease_expiry is None or study.next_lease_expiry > study.now:
        return []
    expired = Trial.objects.expired(study)
    for trial in expired:
        trial.state = TrialState.FAIL
        trial.reason = RAN_TOO_LONG if has_run_too_long(trial) else LEASE_EXPIRED
    if expired:
        finished = [
            FinishedTrial(trial, TrialState.RUNNING, Action.EXPIRED, retry=True)
            for trial in expired
        ]
        finish_trials(study, finished, actor=SERVICE.within(actor))
        transaction.on_commit(partial(leases_expired.send, None, count=len(expired)))
    Trial.objects.find_next_expiry(study)
    return expired


def has_run_too_long(trial: Trial) -> bool:
    """Return whether a running trial of a locked study has run for `max_trial_seconds`."""
    most, study = trial.study.max_trial_seconds, trial.study
    if most is None or trial.datetime_start is None:
        return False
    return trial.datetime_start + timedelta(seconds=most) <= study.now


def limit_running_trials(study: Study, changed: Collection[str]) -> None:
    """Apply a changed lease or `max_trial_seconds` of a locked study to its running trials."""
    if not {"lease_seconds", "max_trial_seconds"}.isdisjoint(changed):
        Trial.objects.limit_running(study)


@transaction.atomic
def fail_running_trials(
    *,
    actor: Actor,
    named: NamedStudy,
    silent_for_seconds: float,
    retry: bool = False,
    reason: str = "",
) -> list[Trial]:
    """Fail the running trials whose workers have been silent for so long, and return them.

    It is for trials without a lease, which nothing else ends. If `retry`, each is queued again as
    `max_retries` allows.

    Raises:
        StudyNotFound
    """
    study = named.locked()
    silent = Trial.objects.silent(study, study.now - timedelta(seconds=silent_for_seconds))
    for trial in silent:
        trial.state = TrialState.FAIL
        trial.reason = reason or f"no sign of life for {silent_for_seconds:g} s"
        trial.lease_expires_at, trial.is_retry_wanted = None, retry
    finished = [
        FinishedTrial(trial, TrialState.RUNNING, Action.FAILED, retry=retry) for trial in silent
    ]
    if finished:
        finish_trials(study, finished, actor=actor)
    return silent


def fail_reoffered_trials(study: Study, trials: Sequence[Trial], *, actor: Actor) -> None:
    """Fail running trials of a locked study that probably kill each process that evaluates them.

    Each is queued again if `max_retries` allows. The audit records the service as the actor,
    within the request of `actor`.
    """
    for trial in trials:
        trial.state, trial.reason = TrialState.FAIL, REOFFERED_TOO_OFTEN
        trial.lease_expires_at = None  # the lease was not lost
    finished = [
        FinishedTrial(trial, TrialState.RUNNING, Action.FAILED, retry=True) for trial in trials
    ]
    finish_trials(study, finished, actor=SERVICE.within(actor))


def expire_trials() -> list[Trial]:
    """Fail the trials of all studies whose leases have expired, and return them.

    Studies whose deadlines have passed are completed. Each study has its own transaction. The
    actor is the service, since the next ask of each study would do the same.
    """
    is_late = Q(next_lease_expiry__lte=Now())
    is_open = Q(state__in=[state.value for state in StudyState if state.is_open])
    due = Study.objects.filter(is_late | (is_open & Q(deadline__lte=Now())))
    expired: list[Trial] = []
    for name in list(due.order_by("id").values_list("name", flat=True)):
        try:
            with transaction.atomic():
                study = NamedStudy(name).locked()
                complete_if_used_up(study, actor=SERVICE)
                expired += expire_leases(study, actor=SERVICE)
        except StudyNotFound:
            continue  # deleted meanwhile
    return expired

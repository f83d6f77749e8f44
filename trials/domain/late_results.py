"""Late results: of trials that lost their lease while their next attempts wait in the queue."""

from collections.abc import Iterable, Mapping

from access.models.audit_entry import Action
from optuna_bridge.enums import TrialState
from studies.models import Study
from trials.domain.finish_trial import FinishedTrial
from trials.domain.trial_result import TrialResult
from trials.models import Trial

RESULT_ARRIVED = "cancelled: the result of trial {number} arrived after all"


def waiting_retries(study: Study, trials: Iterable[Trial]) -> dict[int, Trial]:
    """Return the WAITING next attempts of those trials that lost their lease.

    The result is a mapping by the number of the trial that lost its lease.
    """
    retried = {t.retried_as: t.number for t in trials if t.has_lost_lease and t.retried_as}
    if not retried:
        return {}
    found = Trial.objects.get_by_numbers(study, list(retried))
    waiting = [retry for retry in found.values() if retry.state == TrialState.WAITING]
    return {retried[retry.number]: retry for retry in waiting}


def accepts_late(trial: Trial, result: TrialResult, retries: Mapping[int, Trial]) -> bool:
    """Return whether a trial that lost its lease still takes a result.

    It does while its next attempt waits, unless the result is a failure that asks for just that.
    """
    return trial.has_lost_lease and trial.number in retries and not result.retry


def cancel_retry(trial: Trial, retry: Trial) -> FinishedTrial:
    """Cancel the next attempt of a trial whose result arrived late."""
    retry.state, retry.reason = TrialState.FAIL, RESULT_ARRIVED.format(number=trial.number)
    trial.retried_as = retry.retry_of = None
    trial.cancelled_retry = retry.number
    return FinishedTrial(retry, TrialState.WAITING, Action.CANCELLED)

"""Tell: store the results of trials."""

from collections.abc import Mapping, Sequence

from access.actors import Actor
from access.models.audit_entry import Action
from optuna_bridge.enums import TrialState
from studies.models import NamedStudy, Study
from trials.domain.finish_trial import FinishedTrial, finish_trials, why_not_retried
from trials.domain.late_results import accepts_late, cancel_retry, waiting_retries
from trials.domain.locking import lock_trial
from trials.domain.trial_limits import check_attribute_bytes
from trials.domain.trial_result import TrialResult, apply_result, check_result, is_repeated
from trials.errors import TrialNotFound
from trials.models import Trial
from tuner_project.db.pipelines import pipelined_transaction
from tuner_project.errors import DomainError

_RECORDED_AS = {
    TrialState.COMPLETE: Action.TOLD,
    TrialState.PRUNED: Action.PRUNED,
    TrialState.FAIL: Action.FAILED,
}


@pipelined_transaction()
def tell(*, actor: Actor, named: NamedStudy, number: int, result: TrialResult) -> Trial:
    """Store the result of a RUNNING trial of the named study; repeating the same is harmless.

    A trial whose lease has expired still accepts a result until an ask or `expire_trials` fails it,
    and after that while its next attempt waits in the queue, which is then cancelled.

    Raises:
        StudyNotFound, TrialNotFound
        StudyReplaced, NotHolder: it is not the trial that the result is for.
        InvalidResult: there is not one value for each objective and each constraint, or the trial
            would have too many attributes.
        TrialFinished: it ended with another result.
        TrialNotRunning: it waits in the queue.
        LeaseLost: it was failed because its lease had expired, and is not or no longer queued.
    """
    trial = lock_trial(named, number, result.fence)
    study = trial.study
    finished = _apply(study, trial, result, waiting_retries(study, [trial]))
    if finished:
        finish_trials(study, finished, actor=actor)
    return trial


@pipelined_transaction()
def tell_many(
    *, actor: Actor, named: NamedStudy, results: Sequence[tuple[int, TrialResult]]
) -> list[Trial | DomainError]:
    """Store many results, given as (number, result); each succeeds or fails on its own.

    Returns:
        For each result the trial, or the error that `tell` would have raised.

    Raises:
        StudyNotFound
    """
    study = named.locked()
    trials = Trial.objects.get_by_numbers(study, [number for number, _ in results])
    retries = waiting_retries(study, trials.values())
    told: list[Trial | DomainError] = []
    finished: list[FinishedTrial] = []
    for number, result in results:
        try:
            result.fence.check_study(study)
            if number not in trials:
                raise TrialNotFound.numbered(number)
            finished += _apply(study, trials[number], result, retries)
        except DomainError as error:
            told.append(error)
        else:
            told.append(trials[number])
    if finished:
        finish_trials(study, finished, actor=actor)
    return told


def _apply(
    study: Study, trial: Trial, result: TrialResult, retries: Mapping[int, Trial]
) -> list[FinishedTrial]:
    """Apply the result and return the trials that end; none if the same result is stored already.

    `retries` are the WAITING next attempts, by the number of the trial that lost its lease.
    """
    check_result(study, result)
    is_late = accepts_late(trial, result, retries)
    if is_late:
        result.fence.check_holder(trial)
    elif is_repeated(trial, result):
        trial.retry_refused = why_not_retried(study, trial)
        return []
    # Not the number of intermediate values: no result is refused because of them.
    check_attribute_bytes(trial.user_attrs, result.user_attrs)
    was = TrialState(trial.state)
    steps = apply_result(trial, result)
    action = _RECORDED_AS[result.state]
    finished = [FinishedTrial(trial, was, action, steps, retry=bool(result.retry))]
    return [*finished, cancel_retry(trial, retries[trial.number])] if is_late else finished

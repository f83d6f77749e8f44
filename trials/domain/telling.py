"""Tell: store the results of trials."""

from collections.abc import Sequence

from django.db import transaction

from access.actors import Actor
from access.models.audit_entry import Action
from optuna_bridge.enums import TrialState
from studies.models import NamedStudy, Study
from trials.domain.finish_trial import FinishedTrial, finish_trials
from trials.domain.trial_result import TrialResult, apply_result, check_result, is_repeated
from trials.errors import TrialNotFound
from trials.models import Trial
from tuner_project.errors import DomainError

_RECORDED_AS = {
    TrialState.COMPLETE: Action.TOLD,
    TrialState.PRUNED: Action.PRUNED,
    TrialState.FAIL: Action.FAILED,
}


@transaction.atomic
def tell(*, actor: Actor, named: NamedStudy, number: int, result: TrialResult) -> Trial:
    """Store the result of a RUNNING trial of the named study; repeating the same is harmless.

    A trial whose lease has expired still accepts a result until an ask or `expire_trials` fails it.

    Raises:
        StudyNotFound, TrialNotFound
        InvalidResult: there is not one value for each objective and each constraint.
        TrialFinished: it ended with another result.
        TrialNotRunning: it waits in the queue.
        LeaseLost: it was failed because its lease had expired.
        StepConflict: another intermediate value is stored for a step.
    """
    study = named.locked()
    trial = Trial.objects.get_by_number(study, number)
    finished = _apply(study, trial, result)
    if finished is not None:
        finish_trials(study, [finished], actor=actor)
    return trial


@transaction.atomic
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
    told: list[Trial | DomainError] = []
    finished: list[FinishedTrial] = []
    for number, result in results:
        try:
            if number not in trials:
                raise TrialNotFound.numbered(number)
            newly_finished = _apply(study, trials[number], result)
        except DomainError as error:
            told.append(error)
        else:
            told.append(trials[number])
            if newly_finished is not None:
                finished.append(newly_finished)
    if finished:
        finish_trials(study, finished, actor=actor)
    return told


def _apply(study: Study, trial: Trial, result: TrialResult) -> FinishedTrial | None:
    """Apply the result and return the finished trial; None if the same result is already stored."""
    check_result(study, result)
    if is_repeated(trial, result):
        return None
    was = TrialState(trial.state)
    steps = apply_result(trial, result)
    return FinishedTrial(trial, was, _RECORDED_AS[result.state], steps, retry=bool(result.retry))

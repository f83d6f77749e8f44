"""Tell: store the results of trials."""

from collections.abc import Sequence

from django.db import transaction

from access.actors import Actor
from access.models.audit_entry import Action
from optuna_bridge.enums import TrialState
from studies.models import NamedStudy, Study
from trials.domain.finish_trial import Ending, store_endings
from trials.domain.trial_result import TrialResult, check_outcome, finish, is_told_again
from trials.errors import TrialNotFound
from trials.models import Trial
from tuner_project.errors import DomainError

_RECORDED_AS = {
    TrialState.COMPLETE: Action.TOLD,
    TrialState.PRUNED: Action.PRUNED,
    TrialState.FAIL: Action.FAILED,
}


@transaction.atomic
def tell(*, actor: Actor, named: NamedStudy, number: int, outcome: TrialResult) -> Trial:
    """Store the result of a RUNNING trial of the named study; repeating the same is harmless.

    A trial whose lease has expired still accepts a result until an ask or `expire_trials` fails it.

    Raises:
        StudyNotFound, TrialNotFound
        InvalidOutcome: there is not one value for each objective and each constraint.
        TrialFinished: it ended with another result.
        TrialNotRunning: it waits in the queue.
        LeaseLost: it was failed because its lease had expired.
        StepConflict: another intermediate value is stored for a step.
    """
    study = named.locked()
    trial = Trial.objects.get_by_number(study, number)
    ending = _ending(study, trial, outcome)
    if ending is not None:
        store_endings(study, [ending], actor=actor)
    return trial


@transaction.atomic
def tell_many(
    *, actor: Actor, named: NamedStudy, outcomes: Sequence[tuple[int, TrialResult]]
) -> list[Trial | DomainError]:
    """Store many results, given as (number, outcome); each succeeds or fails on its own.

    Returns:
        For each outcome the trial, or the error that `tell` would have raised.

    Raises:
        StudyNotFound
    """
    study = named.locked()
    trials = Trial.objects.get_by_numbers(study, [number for number, _ in outcomes])
    results: list[Trial | DomainError] = []
    endings: list[Ending] = []
    for number, outcome in outcomes:
        try:
            if number not in trials:
                raise TrialNotFound.numbered(number)
            ending = _ending(study, trials[number], outcome)
        except DomainError as error:
            results.append(error)
        else:
            results.append(trials[number])
            endings += [] if ending is None else [ending]
    if endings:
        store_endings(study, endings, actor=actor)
    return results


def _ending(study: Study, trial: Trial, outcome: TrialResult) -> Ending | None:
    """Apply the result and return the ending; None if the same result is already stored."""
    check_outcome(study, outcome)
    if is_told_again(trial, outcome):
        return None
    was = TrialState(trial.state)
    steps = finish(trial, outcome)
    return Ending(trial, was, _RECORDED_AS[outcome.state], steps, retry=bool(outcome.retry))

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
    """End a RUNNING trial of the study of a name; the same outcome again is harmless.

    A trial whose lease has run out can be told until an ask, or `expire_trials`, has ended it.

    Raises:
        StudyNotFound, TrialNotFound
        InvalidOutcome: not one value for each objective, and one for each constraint.
        TrialFinished: it ended with another result.
        TrialNotRunning: it waits in the queue.
        LeaseLost: it was ended, since its lease had run out.
        StepConflict: another intermediate value of a step is stored.
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
    """End many trials at once, by (number, outcome), each decided on its own.

    Returns:
        For each the trial, or what `tell` would have raised.

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
    """The change that ends the trial; None if the same result is already stored."""
    check_outcome(study, outcome)
    if is_told_again(trial, outcome):
        return None
    was = TrialState(trial.state)
    steps = finish(trial, outcome)
    return Ending(trial, was, _RECORDED_AS[outcome.state], steps, retry=bool(outcome.retry))

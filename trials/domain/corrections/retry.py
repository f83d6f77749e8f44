"""Retries on request: queueing failed trials again, also of a study that is completed."""

from collections.abc import Sequence
from dataclasses import dataclass

from access.actors import Actor
from access.models.audit_entry import Action
from optuna_bridge.enums import TrialState
from studies.domain.lifecycle import refusal, reopen_if_room
from studies.domain.limits import check_room_for_trials
from studies.enums import StudyState
from studies.models import NamedStudy, Study
from trials.domain.audit import record_trials
from trials.domain.corrections.study_attrs import forget_in_study_attrs
from trials.domain.finish_trial import check_budget, queue_again
from trials.domain.locking import lock_trial
from trials.errors import TrialNotFailed
from trials.models import Trial
from tuner_project.db.pipelines import pipelined_transaction


@dataclass(frozen=True)
class Retried:
    """Failed trials that were queued again, and how many are left that could be."""

    trials: list[Trial]
    n_left: int


@pipelined_transaction()
def retry_trial(*, actor: Actor, named: NamedStudy, number: int) -> Trial:
    """Queue a failed trial again, whatever `max_retries` is; once it is retried, do nothing.

    A completed study becomes ACTIVE, if its budgets leave room.

    Raises:
        StudyNotFound, TrialNotFound
        TrialNotFailed: it is not FAIL, or it is infeasible, or a repeat that was
            cancelled with its whole point, or because of a late result.
        StudyCompleted, StudyCancelled
        BudgetExceeded, TooManyTrials
    """
    trial = lock_trial(named, number)
    study = trial.study
    if trial.state != TrialState.FAIL or trial.infeasible:
        which = "infeasible" if trial.infeasible else trial.state
        raise TrialNotFailed(f"trial {number} is {which}: only one that has failed is retried")
    if trial.retried_as is None:
        _check_is_missing(study, trial)
        _retry(study, [trial], actor)
    return trial


@pipelined_transaction()
def retry_failed_trials(*, actor: Actor, named: NamedStudy, limit: int) -> Retried:
    """Queue the first `limit` trials again that ran, failed and were not retried, by number.

    Raises:
        StudyNotFound
        StudyCompleted, StudyCancelled
        BudgetExceeded, TooManyTrials
    """
    study = named.locked()
    failed = Trial.objects.failures(study, limit)
    if failed:
        _retry(study, failed, actor)
    return Retried(failed, study.n_failures)


def _check_is_missing(study: Study, trial: Trial) -> None:
    """Raise `TrialNotFailed` for a cancelled repeat that its point does not lack.

    Otherwise a point could have more than its n repeats.
    """
    if trial.repeat_group is None or trial.datetime_start is not None:
        return
    others = Trial.objects.filter(study_id=study.id, repeat_group=trial.repeat_group)
    if not others.exclude(datetime_start=None).exists():
        raise TrialNotFailed(
            f"trial {trial.number} was cancelled with all repeats of its point before any had "
            "started: add the point to the queue again"
        )
    late = others.filter(cancelled_retry=trial.number).first()
    if late is not None:
        raise TrialNotFailed(
            f"trial {trial.number} was cancelled since the result of trial {late.number}, the same "
            f"repeat of its point, arrived after all: retry trial {late.number} if it fails"
        )


def _retry(study: Study, failed: Sequence[Trial], actor: Actor) -> None:
    if study.state == StudyState.CANCELLED and (error := refusal(study)):
        raise error
    check_room_for_trials(study, len(failed))
    check_budget(study, len(failed))
    n_failures = sum(trial.is_failure for trial in failed)
    retries = queue_again(study, failed)
    was = [TrialState.FAIL] * len(failed)
    Trial.objects.change(study, failed, was=was, were_failures=n_failures)
    if study.repeats is not None:  # their points have no result until the retries have
        forget_in_study_attrs(study, failed)
    record_trials(actor, study, [(Action.QUEUED, retry) for retry in retries])
    if study.state == StudyState.COMPLETED:
        reopen_if_room(study, actor=actor)

"""Finishing trials: storing them, queueing their next attempts, and completing their study."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from access.actors import SERVICE, Actor
from access.models.audit_entry import Action
from optuna_bridge.enums import TrialState
from optuna_bridge.system_attrs import FIXED_PARAMS
from studies.domain.budgets import SPACE_EXHAUSTED
from studies.domain.lifecycle import (
    complete_if_budget_is_used_up,
    enter,
    pause_if_failing,
)
from studies.domain.limits import n_trials_left
from studies.enums import Duplicates, StudyState
from studies.errors import BudgetExceeded
from studies.models import Study
from trials.domain.audit import record_trials
from trials.domain.trial_result import Steps
from trials.models import Trial
from trials.sampling.visited_points import count_points
from tuner_project.db.pipelines import pipelined


@dataclass
class FinishedTrial:
    """A trial that ends now, its previous state, and its new intermediate values.

    `action` is the action under which the audit records it.
    """

    trial: Trial
    was: TrialState
    action: Action
    steps: Steps = field(default_factory=list)
    retry: bool = False  # whether another attempt is requested


def finish_trials(study: Study, finished: Sequence[FinishedTrial], *, actor: Actor) -> None:
    """Store one or more trials of a locked study that end, and what follows from it.

    If another attempt is requested, the study is open, and `max_retries` and MAX_TRIALS_PER_STUDY
    allow it, the trial is queued again with the same parameters; the failure's audit entry names
    the new trial. The study is completed if its budget or its space is now used up, and paused if
    too many trials failed in a row.
    """
    retried = [each.trial for each in finished if each.retry and may_be_retried(study, each.trial)]
    retried = retried[: n_trials_left(study)]
    if retried:
        queue_again(study, retried)
    trials = [each.trial for each in finished]
    for trial in trials:
        # An imported trial may have started by a clock that is ahead.
        trial.datetime_complete = max(study.now, trial.datetime_start or study.now)
        trial.retry_refused = why_not_retried(study, trial)
    steps = [step for each in finished for step in each.steps]
    with pipelined():
        Trial.objects.change(study, trials, was=[each.was for each in finished], steps=steps)
        record_trials(actor, study, [(each.action, each.trial) for each in finished])
    complete_if_used_up(study, actor=actor)
    pause_if_failing(study, actor=actor)


def may_be_retried(study: Study, trial: Trial) -> bool:
    """Return whether the study and its `max_retries` allow a failed trial another attempt.

    A point that is outside of the search space by now has none.
    """
    is_allowed = study.is_open and trial.attempt <= study.max_retries
    return is_allowed and study.current.contains(trial.internal_params)


def why_not_retried(study: Study, trial: Trial) -> str | None:
    """Return why a trial that asked for another attempt has none; None if it has, or did not."""
    if not trial.is_retry_wanted or trial.retried_as is not None:
        return None
    if not study.is_open:
        return f"the study is {study.state}"
    if trial.attempt > study.max_retries:
        return f"max_retries is {study.max_retries}"
    if not study.current.contains(trial.internal_params):
        return "its parameters are outside of the study's search space, which has changed"
    return "the study has as many trials as it may have"


def complete_if_used_up(study: Study, *, actor: Actor) -> None:
    """Complete a locked study whose budget is used up, or whose space is exhausted and idle.

    The audit records the service as the actor, within the request of `actor`.
    """
    complete_if_budget_is_used_up(study, actor=actor)
    if study.is_open and study.is_idle and _is_exhausted(study):
        enter(study, StudyState.COMPLETED, SPACE_EXHAUSTED, actor=SERVICE.within(actor))


def _is_exhausted(study: Study) -> bool:
    """Return whether the study avoids duplicates and no point of its space is left."""
    if study.duplicates != Duplicates.AVOID:
        return False
    n_points = study.points.n
    if n_points is None or study.n_trials < n_points:
        return False
    return count_points(study) >= n_points


def check_budget(study: Study, n: int) -> None:
    """Raise `BudgetExceeded` if `max_trials` of a locked study leaves no room for n more trials."""
    if study.max_trials is not None and study.n_counted + n > study.max_trials:
        room = max(0, study.max_trials - study.n_counted)
        detail = f"max_trials is {study.max_trials}: there is room for {room} trials more, not {n}"
        raise BudgetExceeded(detail)


def queue_again(study: Study, trials: Sequence[Trial]) -> list[Trial]:
    """Queue the parameters of ended trials of a locked study again, and return the next attempts.

    `retried_as` is set on the trials, which the caller has to store.
    """
    reserved = Trial.objects.reserve(study, {TrialState.WAITING: len(trials)})
    retries = [
        Trial.reserved(
            reserved,
            index,
            study=study,
            state=TrialState.WAITING,
            internal_params=trial.internal_params,
            params_hash=trial.params_hash,
            space_version=trial.space_version,
            priority=trial.priority,
            attempt=trial.attempt + 1,
            retry_of=trial.number,
            user_attrs=trial.user_attrs,
            repeat_group=trial.repeat_group,
            repeat_index=trial.repeat_index,
            system_attrs={FIXED_PARAMS: trial.params},
        )
        for index, trial in enumerate(trials)
    ]
    for trial, retry in zip(trials, retries, strict=True):
        trial.retried_as = retry.number
    Trial.objects.add(retries)
    return retries

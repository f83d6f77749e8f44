"""What events say, and which changes of trials are events."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from access.domain.audit import shortened
from events.domain.outbox import Draft
from events.enums import EventType
from optuna_bridge.enums import TrialState
from studies.domain.lifecycle import FAILURES_IN_A_ROW
from studies.models import Study
from trials.models import Trial
from trials.models.statements.failure_streak import FailureStreak
from tuner_project.json_values import finite_or_largest

MAX_PARAMS_BYTES = 16 * 1024  # of JSON; more are left out

# A queued trial that is cancelled becomes FAIL, too, and one that has failed may be changed again.
_BEFORE_FAILURE = (TrialState.RUNNING, TrialState.COMPLETE, TrialState.PRUNED)


def created(study: Study) -> Draft:
    """Return the event of a study that was just created."""
    data = {"direction": study.direction, "sampler": study.sampler, "max_trials": study.max_trials}
    return Draft(EventType.STUDY_CREATED, data)


def completed(study: Study) -> Draft:
    """Return the event of a study that was completed or cancelled, with its best trial."""
    data = {
        "state": str(study.state),
        "reason": shortened(study.state_reason) or None,
        "trial_counts": study.trial_counts,
        "best_trial_id": study.best_number,
        **_best(study.best_values, study.best_params),
    }
    return Draft(EventType.STUDY_COMPLETED, data)


def failing(study: Study) -> Draft:
    """Return the event of a study whose trials fail one after the other."""
    data = {"n_consecutive_failures": study.n_consecutive_failures, "state": str(study.state)}
    return Draft(EventType.STUDY_FAILING, data)


def new_best(trial: Trial) -> dict[str, Any]:
    """Return the data of `study.new_best` for a trial; of a group of repeats, its first one."""
    return {"trial_id": trial.number, **_best(trial.judged_values, trial.params)}


def of_changed_trials(
    study: Study, trials: Sequence[Trial], was: Sequence[str], streak: FailureStreak
) -> Iterator[Draft]:
    """Yield the events of trials of a locked study, which had other states before."""
    for trial, before in zip(trials, was, strict=True):
        if trial.state == TrialState.FAIL and before in _BEFORE_FAILURE and not trial.infeasible:
            is_lost = trial.has_lost_lease
            kind = EventType.TRIAL_LEASE_LOST if is_lost else EventType.TRIAL_FAILED
            yield Draft(kind, _failure(trial))
    if study.max_consecutive_failures is None and study.is_open:  # else its pause is an event
        now = study.n_consecutive_failures
        if now - streak.n < FAILURES_IN_A_ROW <= now:
            yield failing(study)


def _failure(trial: Trial) -> dict[str, Any]:
    return {
        "trial_id": trial.number,
        "reason": shortened(trial.reason) or None,
        "worker_id": trial.worker_id or None,
        "attempt": trial.attempt,
        "will_be_retried": trial.retried_as is not None,
        "retried_as": trial.retried_as,
    }


def _best(values: Sequence[float] | None, params: Mapping[str, Any] | None) -> dict[str, Any]:
    finite = None if values is None else [finite_or_largest(value) for value in values]
    is_small = len(json.dumps(params)) <= MAX_PARAMS_BYTES
    return {"values": finite, "params": params if is_small else None}

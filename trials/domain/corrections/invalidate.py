"""Invalidating results that turned out to be wrong."""

from typing import Any

from access.actors import Actor
from access.domain.audit import record, shortened
from access.models.audit_entry import Action
from optuna_bridge.enums import TrialState
from optuna_bridge.pruners.steps import without_rungs
from studies.models import NamedStudy, Study
from trials.domain.audit import change_of_trials, result_of
from trials.domain.corrections.study_attrs import forget_in_study_attrs
from trials.domain.locking import lock_trial
from trials.errors import TrialHasNoResult
from trials.models import Trial
from tuner_project.db.pipelines import pipelined, pipelined_transaction

_WITH_RESULT = (TrialState.COMPLETE, TrialState.PRUNED)


@pipelined_transaction()
def invalidate_trial(*, actor: Actor, named: NamedStudy, number: int, reason: str) -> Trial:
    """Make a COMPLETE or PRUNED trial FAIL, as if its result had never been; repeating is harmless.

    Its values are removed, and samplers, pruners, the best trial or Pareto front and the counters
    do without it. Its parameters, intermediate values and user attributes stay, and the audit keeps
    what it was. It counts as a failure, which may be retried on request. The study's state stays;
    if the trial was the best or on the front, `stop_after_no_improvement` counts anew.

    Raises:
        StudyNotFound, TrialNotFound
        TrialHasNoResult: it has not ended, or has failed.
    """
    trial = lock_trial(named, number)
    study = trial.study
    if trial.state == TrialState.FAIL and trial.reason == reason:
        return trial
    if trial.state not in _WITH_RESULT:
        raise TrialHasNoResult(
            f"trial {number} is {trial.state}: only a COMPLETE or PRUNED one has a result"
        )
    # The front of a study with repeats follows when their group is stored.
    was, was_on_front = TrialState(trial.state), trial.on_front and study.repeats is None
    change = change_of_trials(Action.INVALIDATED, study, [trial], _details(trial, reason))
    trial.state, trial.reason = TrialState.FAIL, reason
    trial.on_front = trial.on_front and not was_on_front
    removed = trial.remove_values()
    trial.replace_system_attrs(without_rungs(trial.system_attrs))
    with pipelined():
        Trial.objects.change(study, [trial], was=[was])
        record(actor, change)
    if was_on_front:
        Trial.objects.restore_front(study, removed)
        if study.stop_after_no_improvement is not None:
            study.start_counting()
            study.save(update_fields=Study.PROGRESS)
    forget_in_study_attrs(study, [trial])
    return trial


def _details(trial: Trial, reason: str) -> dict[str, Any]:
    """Return what the audit keeps: the result, and why it was invalidated."""
    before = result_of(trial)
    if "reason" in before:
        before["reason_before"] = before["reason"]
    return before | {"was": trial.state, "reason": shortened(reason)}

"""Audit entries of changes to trials."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from access.actors import Actor
from access.domain.audit import Change, record, shortened
from access.models.audit_entry import Action, SubjectKind
from studies.models import Study
from trials.models import Trial
from tuner_project.json_values import finite_or_text


def record_trials(actor: Actor, study: Study, done: Iterable[tuple[Action, Trial]]) -> None:
    """Record changes to trials of a study: one entry for each action, with all its trials."""
    together: dict[Action, list[Trial]] = {}
    for action, trial in done:
        together.setdefault(action, []).append(trial)
    record(actor, *(_change(action, study, trials) for action, trials in together.items()))


def _change(action: Action, study: Study, trials: Sequence[Trial]) -> Change:
    details = {"state": trials[0].state} | (result_of(trials[0]) if len(trials) == 1 else {})
    return change_of_trials(action, study, trials, details)


def change_of_trials(
    action: Action, study: Study, trials: Sequence[Trial], details: Mapping[str, Any]
) -> Change:
    """Return a change to trials of a study, for `record`."""
    numbers = [trial.number for trial in trials]
    return Change(action, SubjectKind.TRIAL, study.name, study.id, numbers, details)


def result_of(trial: Trial) -> dict[str, Any]:
    """Return what the audit keeps of an ended trial besides its state."""
    details: dict[str, Any] = {}
    if trial.values is not None:
        details["values"] = [finite_or_text(value) for value in trial.values]
    if trial.reason:
        details["reason"] = shortened(trial.reason)
    if trial.retried_as is not None:
        details["retried_as"] = trial.retried_as
    return details

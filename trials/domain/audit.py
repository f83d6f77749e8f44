"""Audit entries of changes to trials."""

from collections.abc import Iterable
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


def _change(action: Action, study: Study, trials: list[Trial]) -> Change:
    details = {"state": trials[0].state} | (_result(trials[0]) if len(trials) == 1 else {})
    numbers = [trial.number for trial in trials]
    return Change(action, SubjectKind.TRIAL, study.name, study.id, numbers, details)


def _result(trial: Trial) -> dict[str, Any]:
    details: dict[str, Any] = {}
    if trial.values is not None:
        details["values"] = [finite_or_text(value) for value in trial.values]
    if trial.reason:
        details["reason"] = shortened(trial.reason)
    if trial.retried_as is not None:
        details["retried_as"] = trial.retried_as
    return details

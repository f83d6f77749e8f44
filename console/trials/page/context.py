"""What the template of a trial's page shows, in a fixed number of statements."""

from collections.abc import Iterable
from typing import Any

from django.http import HttpRequest
from django.urls import reverse

from access.models.audit_entry import AuditEntry
from analysis.trial_comparison import Comparison, compare
from console import display
from console.access.audit_admin import change_text, entries_url
from console.studies.permissions import may_change_states, may_view_audit
from console.trials import columns
from console.trials.filters import STUDY
from console.trials.page.actions import allowed_actions
from console.trials.page.headline import (
    failure_notes,
    lease_text,
    percent,
    pruning_text,
    results,
    standing,
    time_text,
    why_failed,
)
from console.trials.page.log_text import shown_log
from console.trials.page.note_form import NoteForm
from trials.models import Annotation, Trial, TrialLog
from trials.queries.attempts import attempts_of
from trials.queries.audit import entries_about

MAX_NAME = 200  # characters of a parameter's name
MAX_CHANGE = 500  # of an audit entry's details


def trial_url(trial_id: int) -> str:
    """The URL of a trial's page, by its id."""
    return reverse("admin:trials_trial_change", args=[trial_id])


def page_context(
    request: HttpRequest, trial: Trial, *, refused_form: NoteForm | None
) -> dict[str, Any]:
    """Return the context of the page of a trial, whose study was read with it.

    The form of the note is the one that was refused, if one was.
    """
    study = trial.study
    comparison = compare(trial)
    attempts = attempts_of(trial)
    ids = _ids(trial, [study.best_number, trial.number - 1, trial.number + 1])
    annotation = Annotation.objects.filter(pk=trial.pk).first() or Annotation(trial=trial)
    log = TrialLog.objects.filter(pk=trial.pk).first()
    may_change = may_change_states(request)
    note_form = refused_form or NoteForm(initial={"note": annotation.note})
    return {
        "title": f"Trial {trial.number} of {display.truncated(study.name, 100)}",
        "subtitle": None,
        "trial": trial,
        "study": study,
        "links_to": _links(request, trial, ids),
        "curves_url": reverse("admin:trials_trial_curves", args=[trial.pk]),
        # At the top.
        "state": columns.state(trial),
        "results": results(trial),
        "standing": standing(trial, comparison),
        "best_label": "First of the front" if study.is_multi_objective else "Best",
        "best_url": _url(ids, study.best_number),
        "time_text": time_text(trial),
        "lease_text": lease_text(trial),
        "pruning_text": pruning_text(trial),
        "failure": why_failed(trial),
        "failure_notes": failure_notes(trial) if trial.state == "FAIL" else [],
        "actions": allowed_actions(trial) if may_change else [],
        # Below.
        "parameters": _parameters(comparison),
        "comparison": comparison,
        "attempts": _attempts(attempts) if len(attempts) > 1 else [],
        "constraints": [
            (name, display.number(value), value <= 0)
            for name, value in (trial.constraints_by_name or {}).items()
        ],
        "annotation": annotation,
        "note_form": note_form if may_change else None,
        "log": log,
        "log_text": "" if log is None else shown_log(log),
        "log_url": f"{reverse('trial-log', args=[study.name, trial.number])}?format=text",
        "entries": _entries(trial) if may_view_audit(request) else None,
    }


def _ids(trial: Trial, numbers: Iterable[int | None]) -> dict[int, int]:
    """Return the ids of other trials of the study by their numbers."""
    wanted = {number for number in numbers if number is not None and number >= 0}
    return dict(trial.study.trials.filter(number__in=wanted).values_list("number", "id"))


def _url(ids: dict[int, int], number: int | None) -> str:
    return trial_url(ids[number]) if number in ids else ""


def _links(request: HttpRequest, trial: Trial, ids: dict[int, int]) -> list[tuple[str, str]]:
    """Return the links at the top of the page, as (text, URL)."""
    study = trial.study
    trials = f"{reverse('admin:trials_trial_changelist')}?{STUDY}={study.pk}"
    links = [
        ("Study", reverse("admin:studies_study_change", args=[study.pk])),
        ("All trials", trials),
        ("← Previous trial", _url(ids, trial.number - 1)),
        ("Next trial →", _url(ids, trial.number + 1)),
    ]
    if may_view_audit(request):
        links.append(("Audit of the study", entries_url(study.pk)))
    return [(text, url) for text, url in links if url]


def _attempts(attempts: Iterable[Trial]) -> list[tuple[Trial, str, str]]:
    return [(each, trial_url(each.pk), columns.duration(each)) for each in attempts]


def _entries(trial: Trial) -> list[tuple[AuditEntry, str]]:
    return [
        (entry, display.truncated(change_text(entry), MAX_CHANGE)) for entry in entries_about(trial)
    ]


def _parameters(comparison: Comparison) -> list[dict[str, Any]]:
    return [
        {
            "name": display.truncated(each.name, MAX_NAME),
            "value": display.as_json(each.value),
            "best": display.as_json(each.best) if each.has_best else "",
            "share": each.share,
            "percent": "" if each.share is None else percent(each.share),
            "is_ordered": each.is_ordered,
        }
        for each in comparison.parameters
    ]

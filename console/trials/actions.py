"""Correcting trials in the admin: invalidating results, and queueing failed trials again."""

from collections.abc import Callable

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ActionForm
from django.db import models
from django.http import HttpRequest

from access.actors import Actor
from studies.models import NamedStudy
from trials.domain import invalidate_trial, retry_trial
from trials.models import Trial
from tuner_project.errors import DomainError

MAX_REASON = 10_000  # characters
MAX_CORRECTED = 1000  # trials in one action, each of which is a transaction of its own


class CorrectionForm(ActionForm):
    """The choice of an action on trials, and the reason that it needs."""

    reason = forms.CharField(
        required=False, max_length=MAX_REASON, label="Reason: ", help_text="For an invalidation."
    )


@admin.action(
    description="Invalidate the results of selected trials", permissions=["change_trials"]
)
def invalidate_results(
    model_admin: admin.ModelAdmin, request: HttpRequest, queryset: models.QuerySet[Trial]
) -> None:
    """Make the selected COMPLETE and PRUNED trials FAIL, for the reason in the action's form."""
    reason = request.POST.get("reason", "").strip()
    if not reason:
        text = "Enter the reason why the results are invalid, beside the action."
        model_admin.message_user(request, text, messages.WARNING)
        return

    def invalidate(actor: Actor, trial: Trial) -> None:
        named = NamedStudy(trial.study.name)
        invalidate_trial(actor=actor, named=named, number=trial.number, reason=reason)

    _correct(model_admin, request, queryset, invalidate, "result invalidated")


@admin.action(description="Queue selected failed trials again", permissions=["change_trials"])
def retry_trials(
    model_admin: admin.ModelAdmin, request: HttpRequest, queryset: models.QuerySet[Trial]
) -> None:
    """Queue the selected failed trials again, whatever `max_retries` is."""

    def retry(actor: Actor, trial: Trial) -> None:
        retry_trial(actor=actor, named=NamedStudy(trial.study.name), number=trial.number)

    _correct(model_admin, request, queryset, retry, "queued again")


def _correct(
    model_admin: admin.ModelAdmin,
    request: HttpRequest,
    queryset: models.QuerySet[Trial],
    correct: Callable[[Actor, Trial], None],
    done: str,
) -> None:
    """Correct each trial, log it, and show how many were, and why others were refused."""
    trials = list(queryset.order_by("id")[: MAX_CORRECTED + 1])
    if len(trials) > MAX_CORRECTED:
        text = f"Select at most {MAX_CORRECTED:,} trials at a time."
        model_admin.message_user(request, text, messages.WARNING)
        return
    refused: list[str] = []
    for trial in trials:
        try:
            correct(Actor.of_session(request), trial)
        except DomainError as error:
            refused.append(error.detail)
        else:
            model_admin.log_change(request, trial, done)
    if n_done := len(trials) - len(refused):
        what = "trial" if n_done == 1 else "trials"
        model_admin.message_user(request, f"{n_done} {what}: {done}", messages.SUCCESS)
    if refused:
        more = f"; and {len(refused) - 1} more" if len(refused) > 1 else ""
        model_admin.message_user(request, f"{refused[0]}{more}", messages.WARNING)

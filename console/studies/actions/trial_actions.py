"""Ending running trials of studies, and queueing failed ones again, in the admin."""

from collections.abc import Callable

from django.contrib import admin, messages
from django.db import models
from django.http import HttpRequest

from access.actors import Actor
from studies.models import NamedStudy, Study
from trials.domain import fail_running_trials, retry_failed_trials
from tuner_project.errors import DomainError

SILENT_SECONDS = 3600
MAX_RETRIED = 1000  # trials of a study in one action


@admin.action(
    description="Fail running trials of selected studies that were silent for an hour",
    permissions=["change_state"],
)
def fail_silent_trials(
    model_admin: admin.ModelAdmin, request: HttpRequest, queryset: models.QuerySet[Study]
) -> None:
    """Fail the trials whose workers are probably gone; each is retried as `max_retries` allows."""
    _act(model_admin, request, queryset, _fail_silent)


@admin.action(
    description="Queue failed trials of selected studies again", permissions=["change_state"]
)
def retry_failed(
    model_admin: admin.ModelAdmin, request: HttpRequest, queryset: models.QuerySet[Study]
) -> None:
    """Queue failed trials again that were not retried, whatever `max_retries` is."""
    _act(model_admin, request, queryset, _retry_failed)


def _fail_silent(actor: Actor, named: NamedStudy) -> str:
    trials = fail_running_trials(
        actor=actor, named=named, silent_for_seconds=SILENT_SECONDS, retry=True
    )
    return f"{len(trials)} silent trials failed"


def _retry_failed(actor: Actor, named: NamedStudy) -> str:
    retried = retry_failed_trials(actor=actor, named=named, limit=MAX_RETRIED)
    return f"{len(retried.trials)} failed trials queued again"


def _act(
    model_admin: admin.ModelAdmin,
    request: HttpRequest,
    studies: models.QuerySet[Study],
    act: Callable[[Actor, NamedStudy], str],
) -> None:
    """Act on each study, log what was done, and show it or why it was refused."""
    for study in studies.order_by("id"):
        try:
            done = act(Actor.of_session(request), NamedStudy(study.name))
        except DomainError as error:
            model_admin.message_user(request, error.detail, messages.WARNING)
            continue
        model_admin.log_change(request, study, done)
        model_admin.message_user(request, f'study "{study.name}": {done}', messages.SUCCESS)

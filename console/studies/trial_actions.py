"""Ending the running trials of studies in the admin."""

from django.contrib import admin, messages
from django.db import models
from django.http import HttpRequest

from access.actors import Actor
from studies.models import NamedStudy, Study
from trials.domain import fail_running_trials
from tuner_project.errors import DomainError

SILENT_SECONDS = 3600


@admin.action(
    description="Fail running trials of selected studies that were silent for an hour",
    permissions=["change_state"],
)
def fail_silent_trials(
    model_admin: admin.ModelAdmin, request: HttpRequest, queryset: models.QuerySet[Study]
) -> None:
    """Fail the trials whose workers are probably gone; each is retried as `max_retries` allows."""
    for study in queryset.order_by("id"):
        try:
            failed = fail_running_trials(
                actor=Actor.of_session(request),
                named=NamedStudy(study.name),
                silent_for_seconds=SILENT_SECONDS,
                retry=True,
            )
        except DomainError as error:
            model_admin.message_user(request, error.detail, messages.WARNING)
            continue
        text = f"{len(failed)} silent trials failed"
        if failed:
            model_admin.log_change(request, study, text)
        model_admin.message_user(request, f'study "{study.name}": {text}', messages.SUCCESS)

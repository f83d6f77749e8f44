"""Pausing, resuming, completing and cancelling studies in the admin."""

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db import models
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.http import require_POST

from access.actors import Actor
from console.studies.permissions import may_change_states
from studies.domain.lifecycle import ACTIONS, change_state
from studies.enums import StudyState
from studies.models import NamedStudy, Study
from tuner_project.errors import DomainError

STATE_OF_ACTION = {action: state for state, action in ACTIONS.items()}
CONFIRMED_ACTIONS = ("complete", "cancel")  # the page asks for a confirmation first


@admin.action(description="Pause selected studies", permissions=["change_state"])
def pause_studies(
    model_admin: admin.ModelAdmin, request: HttpRequest, queryset: models.QuerySet[Study]
) -> None:
    """Pause the selected studies that can be paused."""
    _change_states(model_admin, request, queryset, "pause")


@admin.action(description="Resume selected studies", permissions=["change_state"])
def resume_studies(
    model_admin: admin.ModelAdmin, request: HttpRequest, queryset: models.QuerySet[Study]
) -> None:
    """Resume the selected studies that can be resumed."""
    _change_states(model_admin, request, queryset, "resume")


@admin.action(description="Complete selected studies", permissions=["change_state"])
def complete_studies(
    model_admin: admin.ModelAdmin, request: HttpRequest, queryset: models.QuerySet[Study]
) -> None:
    """Complete the selected studies that can be completed."""
    _change_states(model_admin, request, queryset, "complete")


@admin.action(description="Cancel selected studies", permissions=["change_state"])
def cancel_studies(
    model_admin: admin.ModelAdmin, request: HttpRequest, queryset: models.QuerySet[Study]
) -> None:
    """Cancel the selected studies that can be cancelled."""
    _change_states(model_admin, request, queryset, "cancel")


@require_POST
def state_action_view(
    request: HttpRequest, object_id: str, action: str, *, model_admin: admin.ModelAdmin
) -> HttpResponse:
    """Change the state of one study, and redirect to its page.

    Raises:
        PermissionDenied: The user may not change states.
        Http404: There is no such study, or no such action.
    """
    if not may_change_states(request):
        raise PermissionDenied
    study: Study | None = model_admin.get_object(request, unquote(object_id))
    if study is None or action not in STATE_OF_ACTION:
        raise Http404
    _change_state(model_admin, request, study, action)
    return HttpResponseRedirect(reverse("admin:studies_study_change", args=[study.pk]))


def _change_states(
    model_admin: admin.ModelAdmin,
    request: HttpRequest,
    studies: models.QuerySet[Study],
    action: str,
) -> None:
    for study in studies.order_by("id"):
        _change_state(model_admin, request, study, action)


def _change_state(
    model_admin: admin.ModelAdmin, request: HttpRequest, study: Study, action: str
) -> None:
    """Change a study's state, log the change, and show a message with the outcome."""
    state: StudyState = STATE_OF_ACTION[action]
    try:
        changed = change_state(
            actor=Actor.of_session(request), named=NamedStudy(study.name), to=state
        )
    except DomainError as error:
        model_admin.message_user(request, error.detail, messages.WARNING)
        return
    model_admin.log_change(request, changed, f"{action}: now {changed.state}")
    model_admin.message_user(request, f'study "{study.name}" is {changed.state}', messages.SUCCESS)

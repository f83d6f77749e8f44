"""Pausing, resuming, completing and cancelling studies in the admin."""

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db import models
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils.decorators import method_decorator
from django.views.decorators.http import require_POST

from access.actors import Actor
from console.display import InspectionAdmin
from studies.domain.lifecycle import ACTIONS, change_state
from studies.enums import StudyState
from studies.models import NamedStudy, Study
from tuner_project.rest.problems import DomainError

STATES = {action: state for state, action in ACTIONS.items()}
FINAL = ("complete", "cancel")  # actions that a page asks twice for


def _transition(
    action: str,
) -> Callable[["LifecycleAdmin", HttpRequest, models.QuerySet[Any]], None]:
    @admin.action(description=f"{action.capitalize()} selected studies", permissions=["operate"])
    def act(
        model_admin: "LifecycleAdmin", request: HttpRequest, queryset: models.QuerySet[Any]
    ) -> None:
        for study in queryset.order_by("id"):
            model_admin.act(request, study, action)

    act.__name__ = f"{action}_studies"
    return act


class LifecycleAdmin(InspectionAdmin):
    """Changes studies' states, from their list and from the page of one."""

    class Media:
        js = ["console/list.js"]

    actions: list[Any] = [_transition(action) for action in STATES]

    def has_operate_permission(self, request: HttpRequest) -> bool:
        """Whether somebody may change states, which is the permission to change studies."""
        user: Any = request.user
        return bool(user.has_perm("studies.change_study"))

    def get_urls(self) -> list[URLPattern]:
        act = self.admin_site.admin_view(self.act_view)
        own = [path("<path:object_id>/act/<str:action>/", act, name="studies_study_act")]
        return own + super().get_urls()

    @method_decorator(require_POST)
    def act_view(self, request: HttpRequest, object_id: str, action: str) -> HttpResponse:
        """Change the state of one study, and show it again."""
        if not self.has_operate_permission(request):
            raise PermissionDenied
        study = self.get_object(request, unquote(object_id))
        if study is None or action not in STATES:
            raise Http404
        self.act(request, study, action)
        return HttpResponseRedirect(reverse("admin:studies_study_change", args=[study.pk]))

    def act(self, request: HttpRequest, study: Study, action: str) -> None:
        """Change a study's state, keep it in the log, and say how it went."""
        state: StudyState = STATES[action]
        try:
            changed = change_state(
                actor=Actor.of_session(request), named=NamedStudy(study.name), to=state
            )
        except DomainError as error:
            self.message_user(request, error.detail, messages.WARNING)
            return
        self.log_change(request, changed, f"{action}: now {changed.state}")
        self.message_user(request, f'study "{study.name}" is {changed.state}', messages.SUCCESS)

"""What the admin does with a study and its trials together: export and clone."""

import json
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db import models
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseRedirect,
    StreamingHttpResponse,
)
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from rest_framework.exceptions import ParseError, ValidationError

from access.actors import Actor
from console.studies.study_admin import StudyAdmin
from optuna_bridge.pruners import PRUNERS
from optuna_bridge.samplers.registry import SAMPLERS
from studies.api.serializers import MAX_NAME
from studies.models import NamedStudy, Study
from transfer.api.attachment import attachment
from transfer.api.serializers import CloneStudySerializer
from transfer.domain.cloning import Clone, clone_study
from tuner_project.json_values import same_json
from tuner_project.rest.errors import pointed
from tuner_project.rest.parsers import strict_json
from tuner_project.rest.problems import DomainError


class CloneForm(forms.Form):
    """How the new study differs from the one that is cloned."""

    name = forms.CharField(max_length=MAX_NAME, strip=False)
    sampler = forms.ChoiceField(choices=[(each, each) for each in SAMPLERS])
    pruner = forms.ChoiceField(choices=[(each, each) for each in PRUNERS])
    search_space = forms.CharField(
        strip=False,
        widget=forms.Textarea(
            attrs={"rows": 14, "class": "vLargeTextField", "spellcheck": "false"}
        ),
    )
    trials = forms.BooleanField(
        required=False,
        label="Keep the completed and pruned trials that fit the search space",
    )

    def clean_search_space(self) -> Any:
        """What the text says, refused where a body of the API would be."""
        try:
            return strict_json(self.cleaned_data["search_space"].encode(), what="it")
        except ParseError as error:
            raise forms.ValidationError(str(error.detail)) from None

    def clone(self, study: Study, actor: Actor) -> Clone | None:
        """The clone; None where something is wrong with it, which the form then says."""
        try:
            changes = dict(self.cleaned_data)
            if same_json(changes["search_space"], study.search_space):
                del changes["search_space"]  # an adopted one may be more than can be created
            body = CloneStudySerializer().run_validation(changes)
            return clone_study(actor=actor, named=NamedStudy(study.name), **body)
        except ValidationError as error:
            for pointer, detail in pointed(error.detail):
                self.add_error(None, f"{pointer}: {detail}")
        except DomainError as error:
            self.add_error(None, error.detail)
        return None


@admin.register(Study)
class MovableStudyAdmin(StudyAdmin):
    """The admin of studies, with what needs their trials."""

    actions = [*StudyAdmin.actions, "export_studies", "clone_selected"]

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """None is added by a form of its fields; a clone is (`has_clone_permission`)."""
        return False

    def has_clone_permission(self, request: HttpRequest) -> bool:
        user: Any = request.user
        return bool(user.has_perms(["studies.view_study", "studies.add_study"]))

    def has_export_permission(self, request: HttpRequest) -> bool:
        """Whether somebody may take studies along, which is to see all their trials."""
        user: Any = request.user
        return bool(user.has_perms(["studies.view_study", "trials.view_trial"]))

    def tools(self, request: HttpRequest, study: Study) -> list[tuple[str, str]]:
        own = []
        if self.has_export_permission(request):
            own.append(("Export", f"{reverse('study', args=[study.name])}/export"))
        if self.has_clone_permission(request):
            own.append(("Clone", _clone_url(study)))
        return super().tools(request, study) + own

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.clone_view)
        return [
            path("<path:object_id>/clone/", view, name="studies_study_clone"),
            *super().get_urls(),
        ]

    @admin.action(description="Export selected studies", permissions=["export"])
    def export_studies(
        self, request: HttpRequest, queryset: models.QuerySet[Any]
    ) -> StreamingHttpResponse:
        names = list(queryset.order_by("id").values_list("name", flat=True))
        return attachment(names, filename=names[0] if len(names) == 1 else "studies")

    @admin.action(description="Clone selected study", permissions=["clone"])
    def clone_selected(
        self, request: HttpRequest, queryset: models.QuerySet[Any]
    ) -> HttpResponse | None:
        if len(queryset) == 1:
            return HttpResponseRedirect(_clone_url(queryset[0]))
        self.message_user(request, "Choose one study to clone.", messages.WARNING)
        return None

    def clone_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """A form for a clone of the study, and the clone."""
        if not self.has_clone_permission(request):
            raise PermissionDenied
        study: Study | None = self.get_object(request, unquote(object_id))
        if study is None:
            raise Http404
        form = CloneForm(request.POST or None, initial=_initial(study))
        if form.is_valid() and (clone := form.clone(study, Actor.of_session(request))):
            self.log_addition(request, clone.study, f'cloned from "{study.name}"')
            text = f"{clone.n_kept:,} trials were kept, {clone.n_left_out:,} left out"
            self.message_user(request, text, messages.SUCCESS)
            return HttpResponseRedirect(
                reverse("admin:studies_study_change", args=[clone.study.pk])
            )
        context = {
            **self.admin_site.each_context(request),
            "title": f"Clone {study.name}",
            "opts": self.opts,
            "original": study,
            "form": form,
            "media": self.media,
        }
        return TemplateResponse(request, "admin/studies/study/clone.html", context)


def _clone_url(study: Study) -> str:
    return reverse("admin:studies_study_clone", args=[study.pk])


def _initial(study: Study) -> dict[str, Any]:
    return {
        "name": f"{study.name[: MAX_NAME - 8]} (clone)",
        "sampler": study.sampler,
        "pruner": study.pruner,
        "search_space": json.dumps(study.search_space, indent=2, ensure_ascii=False),
        "trials": True,
    }

"""Changing a study's search space: the form and its page."""

import json
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from access.actors import Actor
from console.studies.forms.form_pages import (
    ChangeForm,
    JSONField,
    form_page,
    study_of_page,
)
from console.studies.permissions import may_change_states
from studies.models import Study


def _values(label: str, example: str) -> JSONField:
    widget = forms.TextInput(attrs={"class": "vTextField", "placeholder": example})
    return JSONField(required=False, strip=False, label=label, widget=widget)


class SearchSpaceForm(ChangeForm):
    """The form with the parameters, and the values of new and retired ones."""

    search_space = JSONField(
        strip=False,
        widget=forms.Textarea(
            attrs={"rows": 14, "class": "vLargeTextField", "spellcheck": "false"}
        ),
    )
    defaults = _values("New parameters: what the trials so far count as", '{"dropout": 0.0}')
    retired = _values("Parameters left out: their value from now on", '{"momentum": 0.9}')
    if_version = forms.IntegerField(widget=forms.HiddenInput)


def search_space_url(study: Study) -> str:
    """Return the URL of the form to change the study's search space."""
    return reverse("admin:studies_study_search_space", args=[study.pk])


def search_space_view(
    request: HttpRequest, object_id: str, *, model_admin: admin.ModelAdmin
) -> HttpResponse:
    """Show the form; once it is valid, change the space and redirect to the study.

    Raises:
        PermissionDenied: The user may not change studies.
        Http404: There is no such study.
    """
    if not may_change_states(request):
        raise PermissionDenied
    study = study_of_page(request, object_id, model_admin)
    form = SearchSpaceForm(request.POST or None, initial=_initial_values(study))
    if form.is_valid() and (changed := form.change(study, Actor.of_session(request))):
        text = f"The search space has version {changed.search_space_version}."
        model_admin.log_change(request, changed, text)
        model_admin.message_user(request, text, messages.SUCCESS)
        return HttpResponseRedirect(reverse("admin:studies_study_change", args=[study.pk]))
    return form_page(
        request,
        "search_space",
        study=study,
        form=form,
        title=f"Search space of {study.name}",
        model_admin=model_admin,
    )


def _initial_values(study: Study) -> dict[str, Any]:
    parameters = json.dumps(study.current.parameters, indent=2, ensure_ascii=False)
    return {"search_space": parameters, "if_version": study.search_space_version}

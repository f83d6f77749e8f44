"""Cloning a study: the action of the list, the form and its page."""

import json
import re
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import models
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from access.actors import Actor
from console.studies.forms.form_pages import (
    JSONField,
    form_page,
    result_unless_refused,
    study_of_page,
)
from console.studies.permissions import may_clone
from optuna_bridge.pruners.registry import PRUNERS
from optuna_bridge.samplers.registry import SAMPLERS
from studies.api.definition.fields import MAX_NAME
from studies.models import NamedStudy, Study
from transfer.api.serializers import CloneStudySerializer
from transfer.domain.cloning import Clone, clone_study
from tuner_project.json_values import same_json

NAME_SUFFIX = " (clone)"


class CloneForm(forms.Form):
    """The form with the new study's name and its differences from the source."""

    name = forms.CharField(max_length=MAX_NAME, strip=False)
    sampler = forms.ChoiceField(choices=[(each, each) for each in SAMPLERS])
    pruner = forms.ChoiceField(choices=[(each, each) for each in PRUNERS])
    pruner_options = JSONField(
        required=False,
        strip=False,
        label="Options of the pruner that differ",
        widget=forms.TextInput(attrs={"class": "vTextField", "placeholder": '{"patience": 5}'}),
    )
    search_space = JSONField(
        strip=False,
        widget=forms.Textarea(
            attrs={"rows": 14, "class": "vLargeTextField", "spellcheck": "false"}
        ),
    )
    parameter_constraints = forms.CharField(
        required=False,
        strip=False,
        label="Constraints between parameters, one a line",
        widget=forms.Textarea(
            attrs={
                "rows": 3,
                "class": "vLargeTextField",
                "spellcheck": "false",
                "placeholder": "layers * width <= 4096",
            }
        ),
    )
    trials = forms.BooleanField(
        required=False,
        label="Keep the trials: all, or those that fit another search space",
    )
    defaults = JSONField(
        required=False,
        strip=False,
        label="Parameters of trials that lack them",
        widget=forms.TextInput(attrs={"class": "vTextField", "placeholder": '{"dropout": 0.0}'}),
    )
    exclude = forms.CharField(
        required=False,
        label="Trials to leave out",
        widget=forms.TextInput(attrs={"class": "vTextField", "placeholder": "3, 17"}),
    )

    def clean_parameter_constraints(self) -> list[str]:
        lines = self.cleaned_data["parameter_constraints"].splitlines()
        return [line.strip() for line in lines if line.strip()]

    def clean_exclude(self) -> list[int]:
        numbers = self.cleaned_data["exclude"].replace(",", " ").split()
        if not all(re.fullmatch(r"[0-9]{1,10}", number) for number in numbers):
            raise forms.ValidationError("expected the numbers of trials, such as: 3, 17")
        return [int(number) for number in numbers]

    def clone(self, study: Study, actor: Actor) -> Clone | None:
        """Clone the study with the values of the valid form.

        Returns:
            The clone, or None if the service refused it; the form then shows the errors.
        """

        def run() -> Clone:
            changes = dict(self.cleaned_data)
            if same_json(changes["search_space"], study.current.parameters):
                del changes["search_space"]  # an adopted one may violate the rules for new studies
            body = CloneStudySerializer().run_validation(changes)
            return clone_study(actor=actor, named=NamedStudy(study.name), **body)

        return result_unless_refused(self, run)


def clone_url(study: Study) -> str:
    """Return the URL of the form to clone the study."""
    return reverse("admin:studies_study_clone", args=[study.pk])


@admin.action(description="Clone selected study", permissions=["clone"])
def clone_selected(
    model_admin: admin.ModelAdmin, request: HttpRequest, queryset: models.QuerySet[Study]
) -> HttpResponse | None:
    """Redirect to the form for the clone of the one selected study."""
    if len(queryset) == 1:
        return HttpResponseRedirect(clone_url(queryset[0]))
    model_admin.message_user(request, "Select one study to clone.", messages.WARNING)
    return None


def clone_view(
    request: HttpRequest, object_id: str, *, model_admin: admin.ModelAdmin
) -> HttpResponse:
    """Show the form; once it is valid, clone the study and redirect to the clone.

    Raises:
        PermissionDenied: The user may not clone studies.
        Http404: There is no such study.
    """
    if not may_clone(request):
        raise PermissionDenied
    study = study_of_page(request, object_id, model_admin)
    form = CloneForm(request.POST or None, initial=_initial_values(study))
    if form.is_valid() and (clone := form.clone(study, Actor.of_session(request))):
        model_admin.log_addition(request, clone.study, f'cloned from "{study.name}"')
        text = f"{clone.n_kept:,} trials were kept, {clone.n_left_out:,} left out"
        model_admin.message_user(request, text, messages.SUCCESS)
        return HttpResponseRedirect(reverse("admin:studies_study_change", args=[clone.study.pk]))
    return form_page(
        request,
        "clone",
        study=study,
        form=form,
        title=f"Clone {study.name}",
        model_admin=model_admin,
    )


def _initial_values(study: Study) -> dict[str, Any]:
    return {
        "name": f"{study.name[: MAX_NAME - len(NAME_SUFFIX)]}{NAME_SUFFIX}",
        "sampler": study.sampler,
        "pruner": study.pruner,
        "search_space": json.dumps(study.current.parameters, indent=2, ensure_ascii=False),
        "parameter_constraints": "\n".join(study.parameter_constraints),
        "trials": True,
    }

"""Pages with a form about one study, such as that to clone it."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from django import forms
from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.http import Http404, HttpRequest
from django.template.response import TemplateResponse
from rest_framework.exceptions import ParseError, ValidationError

from access.actors import Actor
from studies.api.change_serializers import ChangeStudySerializer
from studies.domain.lifecycle import change_study
from studies.models import NamedStudy, Study
from tuner_project.errors import DomainError
from tuner_project.rest.parsers import strict_json
from tuner_project.rest.problems import field_errors

Result = TypeVar("Result")


class JSONField(forms.CharField):
    """JSON by the API's strict rules; nothing stands for an empty object."""

    def clean(self, value: Any) -> Any:
        text = super().clean(value).strip() or "{}"
        try:
            return strict_json(text.encode(), what="it")
        except ParseError as error:
            raise forms.ValidationError(str(error.detail)) from None


def result_unless_refused(form: forms.Form, action: Callable[[], Result]) -> Result | None:
    """Return the result of an action; None if it was refused, which the form's errors then say."""
    try:
        return action()
    except ValidationError as error:
        for fault in field_errors(error.detail):
            form.add_error(None, str(fault))
    except DomainError as error:
        form.add_error(None, error.detail)
    return None


class ChangeForm(forms.Form):
    """A form whose fields are those of a change of a study over the API."""

    def change(self, study: Study, actor: Actor) -> Study | None:
        """Change the study by the values of the valid form.

        Returns:
            The study, or None if the service refused it; the form then shows the errors.
        """

        def run() -> Study:
            body = ChangeStudySerializer().run_validation(dict(self.cleaned_data))
            return change_study(actor=actor, named=NamedStudy(study.name), **body)

        return result_unless_refused(self, run)


def study_of_page(request: HttpRequest, object_id: str, model_admin: admin.ModelAdmin) -> Study:
    """Return the study with the id in a URL of the admin; raise `Http404` if there is none."""
    study: Study | None = model_admin.get_object(request, unquote(object_id))
    if study is None:
        raise Http404
    return study


def form_page(
    request: HttpRequest,
    template: str,
    *,
    study: Study,
    form: forms.Form,
    title: str,
    model_admin: admin.ModelAdmin,
    more: Mapping[str, Any] | None = None,
) -> TemplateResponse:
    """Return the page of a form.

    Args:
        request: The request for it.
        template: The name of a template of studies' pages.
        study: The study.
        form: The form.
        title: The title of the page.
        model_admin: The admin of studies.
        more: What else the template needs.
    """
    context = {
        **model_admin.admin_site.each_context(request),
        "title": title,
        "opts": model_admin.opts,
        "original": study,
        "form": form,
        "media": model_admin.media,
        **(more or {}),
    }
    return TemplateResponse(request, f"admin/studies/study/{template}.html", context)

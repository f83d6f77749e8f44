"""Pages with a form about one study, such as that to clone it."""

from django import forms
from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.http import Http404, HttpRequest
from django.template.response import TemplateResponse

from studies.models import Study


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
) -> TemplateResponse:
    """Return the page of a form; `template` is the name of a template of studies' pages."""
    context = {
        **model_admin.admin_site.each_context(request),
        "title": title,
        "opts": model_admin.opts,
        "original": study,
        "form": form,
        "media": model_admin.media,
    }
    return TemplateResponse(request, f"admin/studies/study/{template}.html", context)

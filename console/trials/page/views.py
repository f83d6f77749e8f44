"""The URLs below a trial's page."""

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from django.contrib.admin import ModelAdmin
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.urls import URLPattern, path

from analysis.curves import curves
from console.trials.page.actions import action_view
from console.trials.page.note_form import note_view
from trials.models import Trial


def page_urls(model_admin: "ModelAdmin[Trial]") -> list[URLPattern]:
    """Return the URLs of what a trial's page fetches and posts."""

    def of_trial(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
        def found(request: HttpRequest, object_id: str, **more: Any) -> HttpResponse:
            return view(request, _trial(request, object_id, model_admin), model_admin, **more)

        return model_admin.admin_site.admin_view(found)

    return [
        path("<path:object_id>/curves/", of_trial(curves_view), name="trials_trial_curves"),
        path("<path:object_id>/note/", of_trial(note_view), name="trials_trial_note"),
        path("<path:object_id>/act/<str:action>/", of_trial(action_view), name="trials_trial_act"),
    ]


def curves_view(request: HttpRequest, trial: Trial, model_admin: Any) -> HttpResponse:
    """Answer the curve of a trial among others, as JSON for the page's script."""
    return JsonResponse(asdict(curves(trial)))


def _trial(request: HttpRequest, object_id: str, model_admin: "ModelAdmin[Trial]") -> Trial:
    """Return the trial with the id in a URL.

    Raises:
        PermissionDenied: The user may not view trials.
        Http404: There is no such trial.
    """
    if not model_admin.has_view_permission(request):
        raise PermissionDenied
    trial = model_admin.get_object(request, unquote(object_id))
    if trial is None:
        raise Http404
    return trial

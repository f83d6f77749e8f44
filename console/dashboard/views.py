"""The dashboard's views: for staff users, and read-only except for the deletion of a study."""

import json
from typing import Any

from django.conf import settings
from django.contrib import admin
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt

from console.dashboard.application import applications, call_application, dashboard_page
from console.dashboard.limits import StudySize, measure_study
from console.dashboard.refusals import refusal, refuse_write
from console.studies.permissions import may_view_trials
from console.trials.csv_export import csv_response
from studies.models import Study
from trials.models import Trial


def _may_view(request: HttpRequest) -> bool:
    """Return whether the user is staff and may view studies and trials: it shows all of them."""
    return admin.site.has_permission(request) and may_view_trials(request)


@method_decorator(never_cache, name="dispatch")
class PageView(View):
    """The dashboard's page, served at all paths that its script handles."""

    http_method_names = ["get", "head"]

    def get(self, request: HttpRequest, study_id: int | None = None) -> HttpResponse:
        if not admin.site.has_permission(request):
            return redirect_to_login(request.get_full_path(), reverse("admin:login"))
        if not _may_view(request):
            raise PermissionDenied
        return dashboard_page(request)


# The script cannot send Django's CSRF token; the one request that writes is checked by its Origin.
@method_decorator([csrf_exempt, never_cache], name="dispatch")
class DataView(View):
    """The base of the views for the page's script; only its subclasses reach the application."""

    http_method_names = ["get", "head"]

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not _may_view(request):
            return refusal(
                403,
                "staff_only",
                "this path belongs to the dashboard, which needs a login to the admin and the "
                "permissions to view studies and trials; the API is under /api/v1",
            )
        return super().dispatch(request, *args, **kwargs)

    def http_method_not_allowed(
        self, request: HttpRequest, *args: Any, **kwargs: Any
    ) -> HttpResponse:
        return refuse_write(request.path)

    def get(self, request: HttpRequest, **kwargs: Any) -> HttpResponseBase:
        return refusal(404, "not_found", f"the dashboard has no page at {request.path}")


class StudiesView(DataView):
    """The list of studies."""

    def get(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        return call_application(applications.get(), request)


class MetaView(DataView):
    """The features of the dashboard, without plots by Plotly's Python library.

    A contour plot of 1,000 trials with 10 parameters would take 15 s and 900 MB.
    """

    def get(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        meta = json.loads(call_application(applications.get(), request).content)
        return JsonResponse(meta | {"plotlypy_is_available": False})


class TrialsView(DataView):
    """The data of a study that requires reading all its trials."""

    def get(self, request: HttpRequest, **kwargs: Any) -> HttpResponseBase:
        study = Study.objects.filter(pk=kwargs["study_id"]).first()
        if study is None:
            return _not_found(kwargs["study_id"])
        size = measure_study(study)
        if size.excess:
            return refusal(
                403,
                "too_large",
                f'study "{study.name}" has {size.excess}; its page in the admin has plots for '
                "any number of trials",
            )
        return self.show(request, study, size)

    def show(self, request: HttpRequest, study: Study, size: StudySize) -> HttpResponseBase:
        """Return the application's response about a study that is not too large."""
        return call_application(applications.get(size), request)


class CSVView(TrialsView):
    """The trials of a study as the admin exports them.

    The application's own CSV would let a spreadsheet run formulas that clients have chosen.
    """

    def show(self, request: HttpRequest, study: Study, size: StudySize) -> HttpResponseBase:
        return csv_response(study, Trial.objects.filter(study_id=study.id))


class StudyView(TrialsView):
    """A study: its data, and its deletion as in the admin."""

    http_method_names = ["get", "head", "delete"]

    @transaction.atomic  # the entry of Django's log and the deletion together
    def delete(self, request: HttpRequest, study_id: int) -> HttpResponse:
        if not _is_same_origin(request):
            return refusal(403, "foreign_origin", "studies can only be deleted from this site")
        study_admin = admin.site.get_model_admin(Study)
        if not study_admin.has_delete_permission(request):
            return refusal(403, "permission_denied", "you are not allowed to delete studies")
        studies = Study.objects.filter(pk=study_id)
        if not studies:
            return _not_found(study_id)
        study_admin.log_deletions(request, studies)
        study_admin.delete_queryset(request, studies)
        return JsonResponse({})  # the script treats a 204, which has no JSON, as a failure


def _not_found(study_id: int) -> HttpResponse:
    return refusal(
        404,
        "study_not_found",
        f"there is no study {study_id}; a study that exists only in Optuna's schema can be adopted "
        "with check_optuna --adopt",
    )


def _is_same_origin(request: HttpRequest) -> bool:
    own = f"{request.scheme}://{request.get_host()}"
    return request.headers.get("Origin") in (own, *settings.CSRF_TRUSTED_ORIGINS)

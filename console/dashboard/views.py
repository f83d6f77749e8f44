"""What of the dashboard is answered to whom: to the staff, and nothing that writes."""

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

from console.dashboard.application import answer, applications, page
from console.dashboard.limits import size
from console.dashboard.refusals import refusal, refused_write
from studies.models import Study


def _may_look(request: HttpRequest) -> bool:
    """Whether it is somebody of the staff who may view studies; the dashboard shows all of them."""
    user: Any = request.user
    return admin.site.has_permission(request) and user.has_perm("studies.view_study")


@method_decorator(never_cache, name="dispatch")
class PageView(View):
    """The page, at all the paths that its script knows."""

    http_method_names = ["get", "head"]

    def get(self, request: HttpRequest, study_id: int | None = None) -> HttpResponse:
        if not admin.site.has_permission(request):
            return redirect_to_login(request.get_full_path(), reverse("admin:login"))
        if not _may_look(request):
            raise PermissionDenied
        return page(request)


# Its requests cannot bring Django's token along; the one that writes is checked by its Origin.
@method_decorator([csrf_exempt, never_cache], name="dispatch")
class DataView(View):
    """What the page's script asks for. Only what is named here reaches the application."""

    http_method_names = ["get", "head"]

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not _may_look(request):
            return refusal(
                403,
                "staff_only",
                "this belongs to the dashboard, which needs a login to the admin and the "
                "permission to view studies; the API lies under /api/v1",
            )
        return super().dispatch(request, *args, **kwargs)

    def http_method_not_allowed(
        self, request: HttpRequest, *args: Any, **kwargs: Any
    ) -> HttpResponse:
        return refused_write(request.path)

    def get(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        return refusal(404, "not_found", f"the dashboard has nothing at {request.path} here")


class StudiesView(DataView):
    """The list of studies."""

    def get(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        return answer(applications.get(), request)


class MetaView(DataView):
    """What the dashboard can do: all but plots by Plotly's Python library.

    That draws a contour of 1,000 trials with 10 parameters in 15 s, and answers 900 MB.
    """

    def get(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        meta = json.loads(answer(applications.get(), request).content)
        return JsonResponse(meta | {"plotlypy_is_available": False})


class TrialsView(DataView):
    """What all trials of a study are read for."""

    def get(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        study = Study.objects.filter(pk=kwargs["study_id"]).first()
        if study is None:
            return _not_found(kwargs["study_id"])
        found = size(study)
        if found.excess:
            return refusal(
                403,
                "too_large",
                f'study "{study.name}" has {found.excess}; its page in the admin has plots of '
                "any number of trials",
            )
        return answer(applications.get(found), request)


class StudyView(TrialsView):
    """A study, which can be deleted as in the admin."""

    http_method_names = ["get", "head", "delete"]

    @transaction.atomic  # the log's entry and the deletion together
    def delete(self, request: HttpRequest, study_id: int) -> HttpResponse:
        if not _is_of_this_site(request):
            return refusal(403, "foreign_origin", "a deletion is accepted from this site only")
        studies = admin.site.get_model_admin(Study)
        if not studies.has_delete_permission(request):
            return refusal(403, "permission_denied", "you are not allowed to delete studies")
        chosen = Study.objects.filter(pk=study_id)
        if not chosen:
            return _not_found(study_id)
        studies.log_deletions(request, chosen)
        studies.delete_queryset(request, chosen)
        return JsonResponse({})  # a 204 has no JSON, which the script takes for a failure


def _not_found(study_id: int) -> HttpResponse:
    return refusal(
        404,
        "study_not_found",
        f"there is no study {study_id}; one that exists in Optuna's schema only is brought in by "
        "check_optuna --adopt",
    )


def _is_of_this_site(request: HttpRequest) -> bool:
    own = f"{request.scheme}://{request.get_host()}"
    return request.headers.get("Origin") in (own, *settings.CSRF_TRUSTED_ORIGINS)

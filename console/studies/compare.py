"""The comparison of studies: the action of the list, and its page."""

import re
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import models
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse

from analysis.comparison import MAX_STUDIES, MIN_STUDIES
from console.known_lookups import MAX_INTEGER
from studies.models import Study

_IDS = re.compile(r"[0-9]{1,10}(,[0-9]{1,10})*")


@admin.action(description="Compare selected studies", permissions=["view"])
def compare_studies(
    model_admin: admin.ModelAdmin, request: HttpRequest, queryset: models.QuerySet[Study]
) -> HttpResponse | None:
    """Redirect to the comparison of the selected studies."""
    ids = list(queryset.order_by("id").values_list("id", flat=True)[: MAX_STUDIES + 1])
    if MIN_STUDIES <= len(ids) <= MAX_STUDIES:
        return HttpResponseRedirect(compare_url(ids))
    _ask_for_others(model_admin, request)
    return None


def compare_url(ids: list[int]) -> str:
    """Return the URL of the page that compares the studies with these ids."""
    return f"{reverse('admin:studies_study_compare')}?ids={','.join(map(str, ids))}"


def compare_view(request: HttpRequest, *, model_admin: admin.ModelAdmin) -> HttpResponse:
    """Show the page, whose script fetches the comparison from the API.

    Raises:
        PermissionDenied: The user may not see studies.
    """
    if not model_admin.has_view_permission(request):
        raise PermissionDenied
    studies = _studies(request.GET.get("ids", ""))
    if not MIN_STUDIES <= len(studies) <= MAX_STUDIES:
        _ask_for_others(model_admin, request)
        return HttpResponseRedirect(reverse("admin:studies_study_changelist"))
    names = urlencode({"names": [study.name for study in studies]}, doseq=True)
    first = studies[0]
    context: dict[str, Any] = {
        **model_admin.admin_site.each_context(request),
        "title": f"Compare {len(studies)} studies",
        "opts": model_admin.opts,
        "media": model_admin.media,
        "studies": studies,
        "api_url": f"{reverse('studies-compare')}?{names}",
        "objectives": list(zip(first.objective_names, first.directions, strict=True)),
    }
    return TemplateResponse(request, "admin/studies/study/compare.html", context)


def _studies(ids: str) -> list[Study]:
    """Return the studies with these ids, separated by commas, in their order."""
    if not _IDS.fullmatch(ids):
        return []
    wanted = list(dict.fromkeys(map(int, ids.split(","))))[: MAX_STUDIES + 1]
    chosen = Study.objects.only("id", "name", "directions", "metric_names")
    found = chosen.in_bulk([each for each in wanted if each <= MAX_INTEGER])
    return [found[each] for each in wanted if each in found]


def _ask_for_others(model_admin: admin.ModelAdmin, request: HttpRequest) -> None:
    text = f"Select {MIN_STUDIES} to {MAX_STUDIES} studies that exist, to compare them."
    model_admin.message_user(request, text, messages.WARNING)

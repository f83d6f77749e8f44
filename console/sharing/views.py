"""The page that a link to a study opens.

The link is `/share#KEY`. Browsers send the fragment to no server, so that the key reaches no access
log, no proxy and no `Referer`, and what previews links finds nothing. The page itself is the same
for all links; its script sends the key as other clients send tokens, first for the study's part of
the page, and then for what it shows. There is no cookie, so that nothing is left to forge requests
with, and several links can be open at the same time.
"""

from collections.abc import Callable
from typing import Any, ClassVar

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.template.loader import render_to_string
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request

from access.api.authentication import TokenAuthentication
from access.models import Token
from console.studies.page.live_part import live_context
from studies.api.views import StudyScope
from studies.errors import StudyNotFound
from studies.models import Study

_HEADERS = {"Referrer-Policy": "no-referrer", "X-Robots-Tag": "noindex, nofollow"}


def _unlisted(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """Let no cache keep the answers of a view, no search engine list them, no `Referer` name it."""

    @never_cache
    def answered(request: HttpRequest) -> HttpResponseBase:
        response = view(request)
        for name, value in _HEADERS.items():
            response[name] = value
        return response

    return answered


@_unlisted
@require_safe
def share(request: HttpRequest) -> HttpResponse:
    """Return the page, without a study."""
    return HttpResponse(render_to_string("console/sharing/page.html"))


@extend_schema(exclude=True)
class SharedStudyViewSet(StudyScope):
    """The study's part of the page, for a request with the key of a share."""

    authentication_classes = (TokenAuthentication,)
    shared: ClassVar[frozenset[str]] = frozenset({"page"})

    def page(self, request: Request) -> HttpResponse:
        """Return the part as HTML; raises `StudyNotFound` without the key of a share."""
        study_id = self.actor.study_id
        study = None if study_id is None else Study.objects.filter(pk=study_id).first()
        if study is None:
            raise StudyNotFound("this link opens no study")
        token: Any = request.auth
        assert isinstance(token, Token)  # noqa: S101  (since the actor has a study)
        context = live_context(study, api_url=reverse("study", args=[study.name]))
        context |= {"study": study, "share": token}
        return HttpResponse(
            render_to_string("console/sharing/study.html", context),
            headers={"Cache-Control": "no-store", **_HEADERS},
        )

"""Middleware for request bodies, other origins, and temporary faults."""

import logging
import re
from collections.abc import Callable
from typing import Any

from corsheaders.middleware import CorsMiddleware
from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.utils.cache import patch_vary_headers

from tuner_project import extensions
from tuner_project.db.faults import fault_of
from tuner_project.db.lost_connections import LostConnectionWatch
from tuner_project.rest.errors import API_PREFIX, fault_response
from tuner_project.rest.problems import problem_response

Next = Callable[[HttpRequest], HttpResponse]

AWAY_STATUS = 503  # of a fault's response
_logger = logging.getLogger(__name__)


class BodyMiddleware:
    """Reject bodies that are too large or, in the API, of unknown length."""

    def __init__(self, get_response: Next) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        given = request.META.get("CONTENT_LENGTH")
        if not given and "HTTP_TRANSFER_ENCODING" in request.META and _is_of_api(request):
            # WSGI would silently read the body as empty.
            detail = "send the body with a Content-Length, not with a Transfer-Encoding"
            return problem_response(411, "length_required", detail)
        length = int(given or 0)  # the server has validated it
        if length and length > (limit := _body_limit(request)):
            detail = f"the body has {length} bytes; at most {limit} are read here"
            if _is_of_api(request):
                return problem_response(413, "body_too_large", detail)
            return HttpResponse(detail, status=413, content_type="text/plain; charset=utf-8")
        return self.get_response(request)


class OriginMiddleware(CorsMiddleware):
    """CORS. Without an Origin there is nothing to decide: the answer only varies by it."""

    def __call__(self, request: HttpRequest) -> Any:
        if "HTTP_ORIGIN" in request.META or request.method == "OPTIONS":
            return super().__call__(request)
        response: Any = self.get_response(request)
        if re.match(settings.CORS_URLS_REGEX, request.path_info):
            patch_vary_headers(response, ["origin"])
        return response


class FaultMiddleware:
    """Respond to a temporary fault in a view with a page or a problem document.

    If the fault is that the database connection was lost, and nothing has been stored, the request
    is served again, once. So a restart of PostgreSQL fails no request that comes after it.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        watch = LostConnectionWatch()
        response = self.get_response(request)
        if response.status_code != AWAY_STATUS or not watch.has_lost_nothing_stored():
            return response
        # A body that was read as a stream, as an import's, is gone.
        if request._read_started and not hasattr(request, "_body"):  # type: ignore[attr-defined]  # noqa: SLF001
            return response
        _logger.warning("the database connection was lost: the request is served again")
        return self.get_response(request)

    def process_exception(
        self, request: HttpRequest, exception: Exception
    ) -> HttpResponseBase | None:
        fault = fault_of(exception)
        return None if fault is None else fault_response(request, fault)


def _is_of_api(request: HttpRequest) -> bool:
    return request.path.startswith(API_PREFIX)


def _body_limit(request: HttpRequest) -> int:
    setting = extensions.LARGE_BODIES.get(f"{request.method} {request.path}", "MAX_BODY_BYTES")
    limit: int = getattr(settings, setting)
    return limit

"""Middleware that rejects bodies before they are read, and responds to temporary faults."""

import logging
from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase

from tuner_project import extensions
from tuner_project.db.faults import fault_of
from tuner_project.db.lost_connections import LostConnectionWatch
from tuner_project.rest.errors import API_PREFIX, fault_response
from tuner_project.rest.problems import problem_response

Next = Callable[[HttpRequest], HttpResponse]

AWAY_STATUS = 503  # of a fault's response
_logger = logging.getLogger(__name__)


class ApiMiddleware:
    """Reject bodies of unknown length, which WSGI would silently read as empty."""

    def __init__(self, get_response: Next) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        chunked = "HTTP_TRANSFER_ENCODING" in request.META and not request.META.get(
            "CONTENT_LENGTH"
        )
        if chunked and request.path.startswith(API_PREFIX):
            detail = "send the body with a Content-Length, not with a Transfer-Encoding"
            return problem_response(411, "length_required", detail)
        return self.get_response(request)


class BodyLimitMiddleware:
    """Reject bodies that are too large according to their Content-Length."""

    def __init__(self, get_response: Next) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        setting = extensions.LARGE_BODIES.get(f"{request.method} {request.path}", "MAX_BODY_BYTES")
        limit: int = getattr(settings, setting)
        length = int(request.META.get("CONTENT_LENGTH") or 0)  # the server has validated it
        if length <= limit:
            return self.get_response(request)
        detail = f"the body has {length} bytes; at most {limit} are read here"
        if request.path.startswith(API_PREFIX):
            return problem_response(413, "body_too_large", detail)
        return HttpResponse(detail, status=413, content_type="text/plain; charset=utf-8")


class FaultMiddleware:
    """Respond to a temporary fault in a view with a page or a problem document."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self.get_response(request)

    def process_exception(
        self, request: HttpRequest, exception: Exception
    ) -> HttpResponseBase | None:
        fault = fault_of(exception)
        return None if fault is None else fault_response(request, fault)


class LostConnectionMiddleware:
    """Serve a request again, once, whose database connection was lost before it stored anything.

    So a restart of PostgreSQL, or of a pooler before it, fails no request that comes after it.
    """

    def __init__(self, get_response: Next) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        watch = LostConnectionWatch()
        response = self.get_response(request)
        if response.status_code != AWAY_STATUS or not watch.has_lost_nothing_stored():
            return response
        # A body that was read as a stream, as an import's, is gone.
        if request._read_started and not hasattr(request, "_body"):  # type: ignore[attr-defined]  # noqa: SLF001
            return response
        _logger.warning("the database connection was lost: the request is served again")
        return self.get_response(request)

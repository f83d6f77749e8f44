"""Middleware that rejects bodies before they are read, and responds to temporary faults."""

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase

from tuner_project import extensions
from tuner_project.db.faults import fault_of
from tuner_project.rest.errors import API_PREFIX, fault_response
from tuner_project.rest.problems import problem_response

Next = Callable[[HttpRequest], HttpResponse]


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

"""The id of a request: in its answer, in every log line, in the problem document of a failure."""

import re
from collections.abc import Callable
from contextvars import ContextVar
from uuid import uuid4

from django.http import HttpRequest, HttpResponseBase

HEADER = "X-Request-ID"
# Nothing that could break a line of a log, or leave a header.
_WELL_FORMED = re.compile(r"[A-Za-z0-9._:+/=-]{1,128}")
_current: ContextVar[str | None] = ContextVar("request_id", default=None)


class RequestIdMiddleware:
    """Names the request: as the client or a proxy did, if that is well-formed.

    The outermost middleware, so that what the others refuse is named too.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        given = request.headers.get(HEADER, "")
        request_id = given if _WELL_FORMED.fullmatch(given) else uuid4().hex
        request.request_id = request_id  # type: ignore[attr-defined]  # Django logs after us
        token = _current.set(request_id)
        try:
            response = self.get_response(request)
        finally:
            _current.reset(token)
        response[HEADER] = request_id
        return response


def current_request_id() -> str | None:
    """The id of the request that this thread serves; None: it serves none."""
    return _current.get()

"""The access log: a line for each request, without query and headers, which may hold secrets.

`request_id.py` explains why no library is used.
"""

import logging
import time
from collections.abc import Callable

from django.conf import settings
from django.core.exceptions import MiddlewareNotUsed
from django.http import HttpRequest, HttpResponseBase
from django.utils.encoding import escape_uri_path

_logger = logging.getLogger(__name__)


class AccessLogMiddleware:
    """Log each request: method, path, status, milliseconds and caller.

    The time ends when the response begins; streaming its body is not included.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        if not settings.ACCESS_LOG:
            raise MiddlewareNotUsed
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        began = time.perf_counter()
        response = self.get_response(request)
        milliseconds = round((time.perf_counter() - began) * 1000, 2)
        path = escape_uri_path(request.path)  # prevents log injection by line breaks
        caller = _caller(request)
        fields = {
            "method": request.method,
            "path": path,
            "status": response.status_code,
            "milliseconds": milliseconds,
            "caller": caller,
        }
        said = request.method, path, response.status_code, milliseconds, caller or "nobody known"
        _logger.info("%s %s %d %.2f ms, %s", *said, extra=fields)
        return response


def _caller(request: HttpRequest) -> str | None:
    """Return the token's or user's name on one line, or None if the caller is unknown.

    A user is known only if the view has read the session: the log does not query the database.
    """
    name: str | None = getattr(request, "caller_name", None)
    if name is None:
        user = getattr(request, "_cached_user", None)  # request.user would read the session
        name = f"user {user.get_username()}" if user is not None and user.is_active else None
    return None if name is None else " ".join(name.split())

"""The access log: a line for each request, without query and headers, which may hold secrets.

`request_id.py` says why no library writes it.
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
    """Logs each request: method, path, status, milliseconds and caller.

    The time ends when the answer begins; what is streamed after that is not counted.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        if not settings.ACCESS_LOG:
            raise MiddlewareNotUsed
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        began = time.perf_counter()
        response = self.get_response(request)
        milliseconds = round((time.perf_counter() - began) * 1000, 2)
        path = escape_uri_path(request.path)  # a line break in it would forge a line
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
    """Return the token's or user's name, on one line; None where the caller is not known.

    A user is named where the view has read the session: the log sends no query of its own.
    """
    name: str | None = getattr(request, "caller_name", None)
    if name is None:
        user = getattr(request, "_cached_user", None)  # Django's: request.user reads the session
        name = f"user {user.get_username()}" if user is not None and user.is_active else None
    return None if name is None else " ".join(name.split())

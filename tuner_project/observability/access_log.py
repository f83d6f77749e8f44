"""The access log: a line for each request, without queries and headers, which may hold secrets."""

import logging
import time
from collections.abc import Callable

from django.conf import settings
from django.core.exceptions import MiddlewareNotUsed
from django.http import HttpRequest, HttpResponseBase
from django.utils.encoding import escape_uri_path
from django.utils.module_loading import import_string

_logger = logging.getLogger(__name__)


class AccessLogMiddleware:
    """Logs each request: what was asked, by whom, the status, and how long it took.

    Of an answer that is streamed it is the time until it begins.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        if not settings.ACCESS_LOG:
            raise MiddlewareNotUsed
        self.get_response = get_response
        self.caller = import_string(settings.CALLER_NAME) if settings.CALLER_NAME else None

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        began = time.perf_counter()
        response = self.get_response(request)
        milliseconds = round((time.perf_counter() - began) * 1000, 2)
        path = escape_uri_path(request.path)  # a line break in it would forge a line
        fields = {
            "method": request.method,
            "path": path,
            "status": response.status_code,
            "milliseconds": milliseconds,
            "caller": self.caller(request) if self.caller else None,
        }
        _logger.info(
            "%s %s %d %.2f ms", request.method, path, response.status_code, milliseconds,
            extra=fields,
        )  # fmt: skip
        return response

"""The middleware that counts and times requests."""

from collections.abc import Callable
from functools import cache
from time import perf_counter

from django.http import HttpRequest, HttpResponseBase

_METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
NO_ROUTE = "none"  # unknown URL, static file, or refused before URL resolution


class MetricsMiddleware:
    """Count and time each request by its route's template, which bounds the number of labels."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        # Imported here because gunicorn's master, whose checks import the middleware, must not.
        from tuner_project.observability import metrics

        self.get_response = get_response
        # Cached, because `labels` takes a lock and builds its key anew.
        self._children = cache(
            lambda method, route, status: (
                metrics.REQUESTS.labels(method, route, status),
                metrics.REQUEST_SECONDS.labels(method, route),
            )
        )

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        began = perf_counter()
        response = self.get_response(request)
        seconds = perf_counter() - began
        method = request.method if request.method in _METHODS else "other"
        match = request.resolver_match
        route = f"/{match.route}" if match is not None else NO_ROUTE
        count, timing = self._children(method, route, response.status_code)
        count.inc()
        timing.observe(seconds)
        return response

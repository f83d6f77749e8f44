"""Counts and times requests."""

from collections.abc import Callable
from time import perf_counter

from django.http import HttpRequest, HttpResponseBase

_METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
NO_ROUTE = "none"  # no URL of the service, a static file, or refused before it was looked for


class MetricsMiddleware:
    """Counts each request by its route's template: there are as many as the service has URLs."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        # Not in gunicorn's master, where checks import the middleware.
        from tuner_project.observability import metrics

        self.get_response = get_response
        self._count, self._seconds = metrics.REQUESTS, metrics.REQUEST_SECONDS

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        began = perf_counter()
        response = self.get_response(request)
        seconds = perf_counter() - began
        method = request.method if request.method in _METHODS else "other"
        match = request.resolver_match
        route = f"/{match.route}" if match is not None else NO_ROUTE
        self._count.labels(method, route, response.status_code).inc()
        self._seconds.labels(method, route).observe(seconds)
        return response

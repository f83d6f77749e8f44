"""Load shedding: an immediate 503 for requests beyond the capacity of the threads."""

import threading
from collections.abc import Callable

from django.http import HttpRequest, HttpResponseBase

from tuner_project.db.faults import Fault

# Monitoring requests, which are served even under overload.
PROBES = ("/api/v1/health", "/api/v1/ready", "/metrics")
OVERLOADED = Fault(
    "overloaded",
    1,
    "the service has too much to do: nothing was stored; try again",
)

_thread = threading.local()


def refuse_here() -> None:
    """Make this thread refuse all requests except the probes."""
    _thread.refuses = True


class OverloadMiddleware:
    """Respond with 503 in threads that refuse requests."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        # Imported here because gunicorn's master imports this module before apps are loaded.
        from tuner_project.rest.errors import fault_response

        self.get_response = get_response
        self.fault_response = fault_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if getattr(_thread, "refuses", False) and request.path not in PROBES:
            return self.fault_response(request, OVERLOADED)
        return self.get_response(request)

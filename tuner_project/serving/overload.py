"""What is answered when more is asked than the threads can do: a 503 at once."""

import threading
from collections.abc import Callable

from django.http import HttpRequest, HttpResponseBase

from tuner_project.db.faults import Fault

# What monitors ask is answered whatever else there is to do.
PROBES = ("/api/v1/health", "/api/v1/ready", "/metrics")
OVERLOADED = Fault(
    "overloaded",
    1,
    "the service has too much to do: nothing was stored; try again",
)

_thread = threading.local()


def refuse_here() -> None:
    """Let this thread refuse whatever is asked, but for the probes."""
    _thread.refuses = True


class OverloadMiddleware:
    """Refuses what a worker gave to a thread that refuses."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        # Not in gunicorn's master, which reads this module before there are any apps.
        from tuner_project.rest.errors import fault_response

        self.get_response = get_response
        self.fault_response = fault_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if getattr(_thread, "refuses", False) and request.path not in PROBES:
            return self.fault_response(request, OVERLOADED)
        return self.get_response(request)

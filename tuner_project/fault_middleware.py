"""What is answered outside DRF's views while there is a fault; those have their own handler."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponseBase

from tuner_project.faults import fault_of
from tuner_project.rest.errors import fault_response


class FaultMiddleware:
    """Answers a view's exception that tells of a fault: with a page, or a problem document."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self.get_response(request)

    def process_exception(
        self, request: HttpRequest, exception: Exception
    ) -> HttpResponseBase | None:
        fault = fault_of(exception)
        return None if fault is None else fault_response(request, fault)

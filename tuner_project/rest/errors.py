"""Problem documents for exceptions, in DRF's views and in Django's."""

import sys
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, UnreadablePostError
from django.template import loader
from django.views import defaults
from rest_framework import exceptions, views
from rest_framework.renderers import JSONRenderer
from rest_framework.response import Response

from tuner_project.db.faults import Fault, fault_of
from tuner_project.errors import DomainError, FieldPath, summary
from tuner_project.rest.problems import (
    PROBLEM_JSON,
    domain_problem,
    field_errors,
    problem,
    problem_response,
)

API_PREFIX = "/api/"


class _DomainProblem(exceptions.APIException):
    """A domain error as an exception that DRF's own handler accepts."""

    def __init__(self, error: DomainError) -> None:
        super().__init__(error.detail, error.code)
        self.status_code = error.status
        self.document = domain_problem(error)
        if error.wait is not None:
            self.wait = error.wait  # DRF sends it as Retry-After


class _StorageFault(exceptions.APIException):
    """A temporary fault as an exception that DRF's own handler accepts."""

    status_code = 503

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.detail, fault.code)
        self.wait = fault.wait  # DRF sends it as Retry-After


class _BodyTimeout(exceptions.APIException):
    status_code = 408
    default_code = "body_timeout"
    default_detail = "the body was not received in time: send it again"


def exception_handler(error: Exception, context: dict[str, Any]) -> Response | None:
    """Return a problem document for an exception (DRF's EXCEPTION_HANDLER).

    DRF's own handler is called with the translated exception, so that it marks the transaction
    for rollback as it does for its own exceptions. For other exceptions it returns None: Django
    then logs the exception and calls `server_error` below.
    """
    api_error = _api_exception(error)
    if isinstance(api_error, exceptions.UnsupportedMediaType):
        expected = " or ".join(parser.media_type for parser in context["request"].parsers)
        text = f"{api_error.detail} Send {expected} as the Content-Type."
        api_error.detail = exceptions.ErrorDetail(text, api_error.default_code)
    response = views.exception_handler(api_error, context)
    if response is None or not isinstance(api_error, exceptions.APIException):
        return response
    response.data = _document(api_error)
    response.content_type = PROBLEM_JSON
    context["request"].accepted_renderer = JSONRenderer()  # the schema's views use others
    return response


def _api_exception(error: Exception) -> Exception:
    match error:
        case DomainError():
            return _DomainProblem(error)
        case UnreadablePostError():
            return _unreadable(error)
        case Http404():
            return exceptions.NotFound("there is nothing here")
        case PermissionDenied():
            return exceptions.PermissionDenied()
    fault = fault_of(error)
    return error if fault is None else _StorageFault(fault)


def _unreadable(error: BaseException) -> Exception:
    """Return the exception for a body that was not received completely."""
    while isinstance(error, UnreadablePostError) and error.__cause__ is not None:
        error = error.__cause__
    is_slow = isinstance(error, TimeoutError)
    return _BodyTimeout() if is_slow else exceptions.ParseError("the body was cut off")


def _document(error: exceptions.APIException) -> dict[str, Any]:
    if isinstance(error, _DomainProblem):
        return error.document
    if isinstance(error, exceptions.ValidationError):
        return validation_problem(error)
    return problem(error.status_code, str(error.get_codes()), str(error.detail))


def validation_problem(error: exceptions.ValidationError, at: FieldPath = ()) -> dict[str, Any]:
    """Return the problem document of a serializer's error for the value at a path of the body."""
    errors = list(field_errors(error.detail, at))
    return problem(error.status_code, "invalid", summary(errors), errors)


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """Return a 404 outside DRF's views: a problem document below /api/, else a page."""
    if not request.path.startswith(API_PREFIX):
        return defaults.page_not_found(request, exception)
    return problem_response(404, "not_found", f"there is nothing at {request.path}")


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """Return a 400 outside DRF's views: a problem document below /api/, else a page."""
    if not request.path.startswith(API_PREFIX):
        return defaults.bad_request(request, exception)
    return problem_response(400, "invalid", str(exception) or "the request is malformed")


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """Return a 403 outside DRF's views: a problem document below /api/, else a page."""
    if not request.path.startswith(API_PREFIX):
        return defaults.permission_denied(request, exception)
    return problem_response(403, "permission_denied", "you are not allowed to do this")


def fault_response(request: HttpRequest, fault: Fault) -> HttpResponseBase:
    """Return the response to a fault outside DRF's views."""
    if request.path.startswith(API_PREFIX):
        response: HttpResponse = problem_response(503, fault.code, fault.detail)
    else:
        response = HttpResponse(loader.render_to_string("503.html", {"fault": fault}), status=503)
    response["Retry-After"] = str(fault.wait)
    return response


def server_error(request: HttpRequest) -> HttpResponseBase:
    """Return a 503 for a fault, else a 500: a problem document below /api/, else a page."""
    # Django calls this while it handles the exception, which may come from a middleware.
    if fault := fault_of(sys.exception()):
        return fault_response(request, fault)
    if not request.path.startswith(API_PREFIX):
        return defaults.server_error(request)
    detail = "the service failed to handle this request; its log says why"
    return problem_response(500, "server_error", detail)

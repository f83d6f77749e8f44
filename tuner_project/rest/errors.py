"""From exceptions to RFC 9457 problem documents (https://www.rfc-editor.org/rfc/rfc9457)."""

import sys
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    JsonResponse,
    UnreadablePostError,
)
from django.template import loader
from django.views import defaults
from rest_framework import exceptions, views
from rest_framework.renderers import JSONRenderer
from rest_framework.response import Response

from tuner_project.faults import Fault, fault_of
from tuner_project.observability.request_id import current_request_id

PROBLEM_JSON = "application/problem+json"
API_PREFIX = "/api/"
MAX_ERRORS = 100  # of one document


class DomainError(Exception):
    """The request cannot be served as things are.

    A subclass names its `status` and a stable `code` and, where it is worth to try again, how
    many seconds to `wait`. `errors` are (pointer, detail) pairs, the pointers (RFC 6901) into the
    request's body; `members` are further members of the problem document.
    """

    status = 400
    code = "invalid"
    wait: int | None = None

    def __init__(
        self, detail: str, errors: list[tuple[str, str]] | None = None, **members: Any
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.errors = errors or []
        self.members = members

    def document(self, at: str = "") -> dict[str, Any]:
        """The problem document of this error, about what stands `at` this pointer in the body."""
        errors = [(at + pointer, detail) for pointer, detail in self.errors]
        return problem(self.status, self.code, self.detail, errors) | self.members


class _DomainProblem(exceptions.APIException):
    """A domain error on its way through DRF's own handler."""

    def __init__(self, error: DomainError) -> None:
        super().__init__(error.detail, error.code)
        self.status_code = error.status
        self.document = error.document()
        if error.wait is not None:
            self.wait = error.wait  # DRF answers it as Retry-After


class _StorageFault(exceptions.APIException):
    """A fault of the database on its way through DRF's own handler."""

    status_code = 503

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.detail, fault.code)
        self.wait = fault.wait  # DRF answers it as Retry-After


class _BodyTimeout(exceptions.APIException):
    status_code = 408
    default_code = "body_timeout"
    default_detail = "the body came too slowly: send it again"


def exception_handler(error: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's EXCEPTION_HANDLER: a problem document for every exception that is an answer.

    DRF's own handler is called with the translated exception, so that it marks the transaction
    for rollback as it does for its own exceptions. What it does not know goes on to Django,
    which logs it and answers `server_error` below.
    """
    api_error = _api_exception(error)
    response = views.exception_handler(api_error, context)
    if response is None or not isinstance(api_error, exceptions.APIException):
        return response
    response.data = _document(api_error)
    response.content_type = PROBLEM_JSON
    context["request"].accepted_renderer = JSONRenderer()  # the schema and its pages have others
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
    """What to say to a client whose body did not come in whole."""
    while isinstance(error, UnreadablePostError) and error.__cause__ is not None:
        error = error.__cause__
    is_slow = isinstance(error, TimeoutError)
    return _BodyTimeout() if is_slow else exceptions.ParseError("the body broke off")


def _document(error: exceptions.APIException) -> dict[str, Any]:
    if isinstance(error, _DomainProblem):
        return error.document
    if isinstance(error, exceptions.ValidationError):
        return validation_problem(error)
    return problem(error.status_code, str(error.get_codes()), str(error.detail))


def validation_problem(error: exceptions.ValidationError, pointer: str = "") -> dict[str, Any]:
    """The problem document of what a serializer refused, which stands at `pointer` in the body."""
    errors = list(pointed(error.detail, pointer))
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    at, first = errors[0]
    detail = f"{at}: {first}{more}" if at else f"{first}{more}"
    return problem(error.status_code, "invalid", detail, errors)


def pointed(detail: Any, pointer: str = "") -> Iterator[tuple[str, str]]:
    """The leaves of a serializer's error tree, each with its JSON pointer."""
    if isinstance(detail, dict):
        for key, value in detail.items():
            is_general = key == "non_field_errors"
            yield from pointed(value, pointer if is_general else f"{pointer}/{escaped(key)}")
    elif isinstance(detail, list):
        for index, value in enumerate(detail):
            nested = isinstance(value, dict | list)
            yield from pointed(value, f"{pointer}/{index}" if nested else pointer)
    else:
        yield pointer, str(detail)


def escaped(key: object) -> str:
    """One step of a JSON pointer (RFC 6901)."""
    return str(key).replace("~", "~0").replace("/", "~1")


def problem(
    status: int, code: str, detail: str, errors: list[tuple[str, str]] | None = None
) -> dict[str, Any]:
    """A problem document: `code` is for programs, `detail` for people.

    One of the service's own failures names the request, so that its log lines are found.
    """
    document: dict[str, Any] = {
        "type": f"urn:tuner:problem:{code}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "code": code,
    }
    if errors:
        shown = errors[:MAX_ERRORS]
        document["errors"] = [{"pointer": at, "detail": text} for at, text in shown]
        if len(errors) > MAX_ERRORS:
            document["more_errors"] = len(errors) - MAX_ERRORS
    if status >= 500 and (request_id := current_request_id()):
        document["request_id"] = request_id
    return document


def problem_response(status: int, code: str, detail: str) -> HttpResponse:
    """A problem from outside DRF's views."""
    return JsonResponse(problem(status, code, detail), status=status, content_type=PROBLEM_JSON)


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    if not request.path.startswith(API_PREFIX):
        return defaults.page_not_found(request, exception)
    return problem_response(404, "not_found", f"there is nothing at {request.path}")


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    if not request.path.startswith(API_PREFIX):
        return defaults.bad_request(request, exception)
    return problem_response(400, "invalid", str(exception) or "the request is malformed")


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    if not request.path.startswith(API_PREFIX):
        return defaults.permission_denied(request, exception)
    return problem_response(403, "permission_denied", "you are not allowed to do this")


def storage_fault(request: HttpRequest, fault: Fault) -> HttpResponseBase:
    """What is answered outside DRF's views while the database does not serve us."""
    if request.path.startswith(API_PREFIX):
        response: HttpResponse = problem_response(503, fault.code, fault.detail)
    else:
        response = HttpResponse(loader.render_to_string("503.html", {"fault": fault}), status=503)
    response["Retry-After"] = str(fault.wait)
    return response


def server_error(request: HttpRequest) -> HttpResponseBase:
    # Django calls this while it handles the exception, which may come from a middleware.
    if fault := fault_of(sys.exception()):
        return storage_fault(request, fault)
    if not request.path.startswith(API_PREFIX):
        return defaults.server_error(request)
    detail = "the service failed to handle this request; its log says why"
    return problem_response(500, "server_error", detail)

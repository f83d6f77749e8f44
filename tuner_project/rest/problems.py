"""RFC 9457 problem documents (https://www.rfc-editor.org/rfc/rfc9457) and their responses.

This module does not import DRF's views, which read the settings at import.
"""

from collections.abc import Iterator, Sequence
from http import HTTPStatus
from typing import Any

from django.http import HttpResponse, JsonResponse

from tuner_project.errors import DomainError, FieldError, FieldPath, json_pointer
from tuner_project.observability.request_id import current_request_id

PROBLEM_JSON = "application/problem+json"
MAX_ERRORS = 100  # per document


def problem(
    status: int, code: str, detail: str, errors: Sequence[FieldError] = ()
) -> dict[str, Any]:
    """Return a problem document: `code` is for programs, `detail` for people.

    With a status of 500 or above it contains the request id, to find the log lines.
    """
    document: dict[str, Any] = {
        "type": f"urn:tuner:problem:{code}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "code": code,
    }
    if errors:
        document["errors"] = [
            {"pointer": json_pointer(path), "detail": text} for path, text in errors[:MAX_ERRORS]
        ]
        if len(errors) > MAX_ERRORS:
            document["more_errors"] = len(errors) - MAX_ERRORS
    if status >= 500 and (request_id := current_request_id()):
        document["request_id"] = request_id
    return document


def domain_problem(error: DomainError, at: FieldPath = ()) -> dict[str, Any]:
    """Return the problem document of a domain error about the value at a path of the body."""
    errors = [each.under(at) for each in error.errors]
    return problem(error.status, error.code, error.detail, errors) | error.members


def problem_response(status: int, code: str, detail: str) -> HttpResponse:
    """Return the response with a problem document, for code outside DRF's views."""
    return JsonResponse(problem(status, code, detail), status=status, content_type=PROBLEM_JSON)


def field_errors(detail: Any, path: FieldPath = ()) -> Iterator[FieldError]:
    """Yield the leaves of a serializer's error tree (`ValidationError.detail`) in order."""
    if isinstance(detail, dict):
        for key, value in detail.items():
            is_general = key == "non_field_errors"
            yield from field_errors(value, path if is_general else (*path, key))
    elif isinstance(detail, list):
        for index, value in enumerate(detail):
            nested = isinstance(value, dict | list)
            yield from field_errors(value, (*path, index) if nested else path)
    else:
        yield FieldError(path, str(detail))

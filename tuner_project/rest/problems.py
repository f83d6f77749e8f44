"""RFC 9457 problem documents (https://www.rfc-editor.org/rfc/rfc9457), and what is answered by one.

Everything else may import it: it needs nothing of DRF's views, which read the settings.
"""

from http import HTTPStatus
from typing import Any

from django.http import HttpResponse, JsonResponse

from tuner_project.observability.request_id import current_request_id

PROBLEM_JSON = "application/problem+json"
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


def escaped(key: object) -> str:
    """One step of a JSON pointer (RFC 6901)."""
    return str(key).replace("~", "~0").replace("/", "~1")

"""What the API refuses before any view is asked."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from tuner_project.rest.errors import API_PREFIX, problem_response


class ApiMiddleware:
    """Refuse bodies of unknown length: WSGI would silently take them for empty."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        chunked = "HTTP_TRANSFER_ENCODING" in request.META and not request.META.get(
            "CONTENT_LENGTH"
        )
        if chunked and request.path.startswith(API_PREFIX):
            detail = "send the body with a Content-Length, not with a Transfer-Encoding"
            return problem_response(411, "length_required", detail)
        return self.get_response(request)

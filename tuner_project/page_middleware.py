"""The middleware that only pages need: requests of the API pass it by.

Each class extends a library's, which Django's system checks look for in MIDDLEWARE. Middleware that
costs next to nothing, such as that of CSRF, is not left out.
"""

from typing import Any

from django.conf import settings
from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.messages.middleware import MessageMiddleware
from django.contrib.sessions.middleware import SessionMiddleware
from django.http import HttpRequest
from django.utils.cache import patch_vary_headers
from whitenoise.middleware import WhiteNoiseMiddleware

# The paths of the dashboard, whose pages need a session, begin with /api/, too.
API = "/api/v1/"


class _PagesOnly:
    """Mixin of middleware that leaves out the requests of the API."""

    get_response: Any

    def __call__(self, request: HttpRequest) -> Any:
        if self.is_left_out(request):
            return self.get_response(request)
        return super().__call__(request)  # type: ignore[misc]

    def is_left_out(self, request: HttpRequest) -> bool:
        return request.path_info.startswith(API)


class _PagesAndSessions(_PagesOnly):
    """The same, but a request of the API with a session's cookie is not left out.

    A staff user who is logged in to the admin may read the API.
    """

    def is_left_out(self, request: HttpRequest) -> bool:
        return super().is_left_out(request) and settings.SESSION_COOKIE_NAME not in request.COOKIES


class PageStaticFiles(_PagesOnly, WhiteNoiseMiddleware):
    """Static files."""


class PageMessages(_PagesOnly, MessageMiddleware):
    """The admin's messages."""


class Sessions(_PagesAndSessions, SessionMiddleware):
    """Sessions, for pages and for requests with a session's cookie."""

    def __call__(self, request: HttpRequest) -> Any:
        response = super().__call__(request)
        if getattr(request, "has_looked_for_session", False):
            patch_vary_headers(response, ["Cookie"])
        return response


class SessionUsers(_PagesAndSessions, AuthenticationMiddleware):
    """The user of a session, which is read when the user is first accessed."""

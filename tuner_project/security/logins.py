"""Throttling of admin logins by django-axes, which counts in the database, for all processes.

Failures are counted per name and address, so that a user cannot be locked out from another
address, and per address, so that trying many names from one address is limited as well.
"""

from typing import Any

from axes.handlers.database import AxesDatabaseHandler
from axes.models import AccessAttempt
from django.conf import settings
from django.contrib import admin
from django.db.models import Sum
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from tuner_project.security.client_address import client_network

# The limit of an address is this many times that of a name, as the users of an office share one.
NAMES_AN_ADDRESS = 5
_MAX_NAME = 255  # characters that are kept


class LoginHandler(AxesDatabaseHandler):
    """The handler of django-axes, which here also counts the failures of an address."""

    def get_failures(self, request: Any, credentials: dict[str, Any] | None = None) -> int:
        of_name: int = super().get_failures(request, credentials)
        recent = AccessAttempt.objects.filter(
            ip_address=request.axes_ip_address,
            attempt_time__gte=request.axes_attempt_time - settings.AXES_COOLOFF_TIME,
        )
        of_address = recent.aggregate(sum=Sum("failures_since_start"))["sum"] or 0
        return max(of_name, of_address // NAMES_AN_ADDRESS)


def address(request: HttpRequest) -> str | None:
    """Return the client address of a login (AXES_CLIENT_IP_CALLABLE)."""
    return client_network(request) or None


def name(request: HttpRequest, credentials: dict[str, Any] | None = None) -> str:
    """Return the user name of a login in a form that can be stored (AXES_USERNAME_CALLABLE)."""
    given = str((credentials or request.POST).get("username") or "")
    return given.replace("\0", "")[:_MAX_NAME]


def locked_out(
    request: HttpRequest, response: HttpResponse | None, credentials: dict[str, Any] | None
) -> HttpResponse:
    """Return the page for a user who is locked out (AXES_LOCKOUT_CALLABLE)."""
    seconds = int(settings.AXES_COOLOFF_TIME.total_seconds())
    context = admin.site.each_context(request) | {
        "title": "Too many failed logins",
        "minutes": -(-seconds // 60),
    }
    page = render(request, "admin/locked_out.html", context, status=429)
    page["Retry-After"] = str(seconds)
    return page

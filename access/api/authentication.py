"""Authentication of API clients: by a token in the header, or by the session of a staff user.

On success, `request.user` is an `Actor`; without either, it is None (`UNAUTHENTICATED_USER`).
"""

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from access.actors import Actor, staff_user
from access.api.throttling import counted_token, throttle_failed_auth
from access.models import Token
from access.scopes import Scope

SCHEME = "Bearer"


class TokenAuthentication(BaseAuthentication):
    """Authenticate by `Authorization: Bearer …` (RFC 6750).

    If a token is sent, it must be valid, even if none is required.
    """

    def authenticate(self, request: Request) -> tuple[Actor, Token] | None:
        given = request._request.META.get("HTTP_AUTHORIZATION")
        if given is None:
            return None
        scheme, _, key = given.strip().partition(" ")
        if not scheme:
            return None
        if scheme.lower() != SCHEME.lower():
            raise _refused("invalid_token", f'expected "Authorization: {SCHEME} <token>"')
        try:
            token = _usable_token(request._request, key.strip())
        except AuthenticationFailed:
            throttle_failed_auth(request._request)
            raise
        return _known(Actor.of_token(token, request._request), request), token

    def authenticate_header(self, request: Request) -> str:
        return f'{SCHEME} realm="tuner"'


class StaffAuthentication(BaseAuthentication):
    """Authenticate by the session of a staff user who is logged in to the admin.

    If tokens are required, the session may only read what the admin would show to the user, because
    these requests have no CSRF protection.
    """

    def authenticate(self, request: Request) -> tuple[Actor, Any] | None:
        request._request.has_looked_for_session = True  # type: ignore[attr-defined]
        user = staff_user(request._request)
        if user is None:
            if settings.AUTH_REQUIRED and settings.SESSION_COOKIE_NAME in request.COOKIES:
                throttle_failed_auth(request._request)  # the cookie has no valid staff session
            return None
        scope = Scope.READ if settings.AUTH_REQUIRED else Scope.MANAGE
        return _known(Actor.of_user(user, request._request, scope=scope), request), user


def _known(actor: Actor, request: Request) -> Actor:
    """Store the actor's name for the access log, and return the actor."""
    request._request.caller_name = f"{actor.kind} {actor.name}"  # type: ignore[attr-defined]
    return actor


def _usable_token(request: HttpRequest, key: str) -> Token:
    token = counted_token(request, key) if "\0" not in key else None
    if token is None:
        raise _refused("invalid_token", "there is no such token")
    if token.revoked:
        raise _refused("token_revoked", f'the token "{token.name}" was revoked')
    if token.is_expired:
        when = f"{token.expiry_date:%Y-%m-%d %H:%M:%S} UTC"
        raise _refused("token_expired", f'the token "{token.name}" expired at {when}')
    return token


def _refused(code: str, detail: str) -> AuthenticationFailed:
    return AuthenticationFailed(detail, code)

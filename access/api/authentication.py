"""Who calls the API: a token in the header, or a session of the staff."""

from typing import Any

from django.conf import settings
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from access.api.throttling import throttle_failed_auth
from access.current import caller_of_session, set_current_caller
from access.models import Token
from access.scopes import Caller, Scope

SCHEME = "Bearer"


class TokenAuthentication(BaseAuthentication):
    """`Authorization: Bearer …`, from RFC 6750. A token that is given must be good, also where none
    is required."""

    def authenticate(self, request: Request) -> tuple[Caller, Token] | None:
        scheme, _, key = request.META.get("HTTP_AUTHORIZATION", "").strip().partition(" ")
        if not scheme:
            return None
        if scheme.lower() != SCHEME.lower():
            raise _refused("invalid_token", f'expected "Authorization: {SCHEME} <token>"')
        try:
            token = _usable_token(key.strip())
        except AuthenticationFailed:
            throttle_failed_auth(request._request)
            raise
        set_current_caller(token.caller)
        return token.caller, token

    def authenticate_header(self, request: Request) -> str:
        return f'{SCHEME} realm="tuner"'


class StaffAuthentication(BaseAuthentication):
    """Somebody of the staff who is logged in to the admin.

    Such a session only reads (where tokens are required), and what the admin would show them:
    nothing else may come from a browser without a token of CSRF's.
    """

    def authenticate(self, request: Request) -> tuple[Caller, Any] | None:
        user, caller = request._request.user, caller_of_session(request._request)
        if caller is None:
            if settings.AUTH_REQUIRED and settings.SESSION_COOKIE_NAME in request.COOKIES:
                throttle_failed_auth(request._request)  # looking for its session was in vain
            return None
        if not settings.AUTH_REQUIRED:
            caller = Caller(name=caller.name, scope=Scope.MANAGE, user_id=caller.user_id)
        set_current_caller(caller)
        return caller, user


def _usable_token(key: str) -> Token:
    token = Token.objects.of_key(key) if "\0" not in key else None
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

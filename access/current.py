"""Who calls, for what is far from the request: which names a domain function may touch, the audit.

Outside of a request, as in a command, nobody calls, and everything may be seen.
"""

from collections.abc import Callable
from contextvars import ContextVar

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from access.scopes import Caller, Scope

_caller: ContextVar[Caller | None] = ContextVar("caller", default=None)
_request: ContextVar[HttpRequest | None] = ContextVar("request", default=None)


class CurrentCallerMiddleware:
    """Remember the request, and forget its caller at its end: threads serve many."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        caller, current = _caller.set(None), _request.set(request)
        try:
            return self.get_response(request)
        finally:
            _caller.reset(caller)
            _request.reset(current)


def set_current_caller(caller: Caller) -> None:
    """Say who calls, once it is known, until the request ends; the access log is told, too."""
    _caller.set(caller)
    request = _request.get()
    if request is not None:
        kind = "user" if caller.token_id is None else "token"
        request.caller_name = f"{kind} {caller.name}"  # type: ignore[attr-defined]


def current_caller() -> Caller | None:
    """Who sent the request that is being served; None: nobody, or one without a name.

    Somebody of the staff who is logged in is asked for where no token was given: that reads the
    session.
    """
    caller, request = _caller.get(), _request.get()
    if caller is not None or request is None:
        return caller
    return caller_of_session(request)


def current_request() -> HttpRequest | None:
    """The request that is being served, if any."""
    return _request.get()


def caller_of_session(request: HttpRequest) -> Caller | None:
    """Somebody of the staff who is logged in; reading is what a session is for in the API."""
    user = getattr(request, "user", None)
    if user is None or not (user.is_active and user.is_staff):
        return None
    return Caller(name=user.get_username(), scope=Scope.READ, user_id=user.pk)


def sees(study_name: str) -> bool:
    """Whether the current caller sees the study of this name, be it there or not."""
    caller = _caller.get()
    return caller is None or caller.sees(study_name)

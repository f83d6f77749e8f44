"""Rate limits per token and per client address, shared by all processes."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import lru_cache
from typing import Any

from django.conf import settings
from django.db import Error
from django.http import HttpRequest
from django.utils import timezone
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from access.api.rates import Rate, TooManyRequests, take, take_by_token
from access.models import Token
from tuner_project.db.faults import FULL, READ_ONLY, fault_of
from tuner_project.security.client_address import client_network

_logger = logging.getLogger(__name__)


class RequestThrottle(BaseThrottle):
    """Count a request of a session or without a token; with one, it was counted with its lookup."""

    def allow_request(self, request: Request, view: Any) -> bool:
        actor: Any = request.user
        if isinstance(request.auth, Token):
            _raise_refusal(request._request)
            return True
        if actor is None and settings.AUTH_REQUIRED:
            return True  # rejected by the permissions next, which costs less than counting it
        django_request = request._request
        is_read = django_request.method in SAFE_METHODS
        if rates := list(_of_address(django_request, *_address_limit(is_read))):
            with uncounted_without_writes() if is_read else nullcontext():
                take(rates)
        return True


def counted_token(request: HttpRequest, key: str) -> Token | None:
    """Return the token with this key, even if it is expired or revoked, or None.

    If it is usable, the request is counted and its use is stored, in the same statement. If a limit
    is reached, `RequestThrottle` raises the error: until then the request is one of this token.
    """
    is_read = request.method in SAFE_METHODS
    rates = [
        *_of_token(Token.objects.prefix_of(key), is_read),
        *_of_address(request, *_address_limit(is_read)),
    ]
    with uncounted_without_writes() if is_read else nullcontext():
        if rates:
            token, refusal = take_by_token(key, rates)
            request.rate_refusal = refusal  # type: ignore[attr-defined]
            return token
    return _uncounted_token(key, is_read)


def _uncounted_token(key: str, is_read: bool) -> Token | None:
    token = Token.objects.of_key(key)
    if token is not None and token.is_usable and token.is_use_to_be_noted(timezone.now()):
        with uncounted_without_writes() if is_read else nullcontext():
            Token.objects.note_use(token)
    return token


def throttle_failed_auth(request: HttpRequest) -> None:
    """Count a request with an invalid token or session, for any method.

    Such requests are counted per address, separately from valid ones; the limit is that of writes.
    """
    with uncounted_without_writes():
        take(list(_of_address(request, "refused requests", settings.RATE_LIMIT_ADDRESS_WRITES)))


@contextmanager
def uncounted_without_writes() -> Iterator[None]:
    """Skip the counting of read requests while the database is read-only or full."""
    try:
        yield
    except Error as error:
        fault = fault_of(error)
        if fault not in (FULL, READ_ONLY):
            raise
        _tell_uncounted(int(time.monotonic() // 60), fault.code)


@lru_cache(maxsize=1)
def _tell_uncounted(minute: int, code: str) -> None:
    """Log that requests are not counted, once per minute and process (by the cache)."""
    _logger.warning("requests that only read are not counted: %s", code)


def _raise_refusal(request: HttpRequest) -> None:
    refusal: TooManyRequests | None = getattr(request, "rate_refusal", None)
    if refusal is not None:
        raise refusal


def _of_token(prefix: str, is_read: bool) -> Iterator[Rate]:
    per_minute = settings.RATE_LIMIT_READS if is_read else settings.RATE_LIMIT_WRITES
    if per_minute:
        yield Rate(None, f"token {prefix}", _kind(is_read), per_minute)


def _address_limit(is_read: bool) -> tuple[str, int]:
    reads, writes = settings.RATE_LIMIT_ADDRESS_READS, settings.RATE_LIMIT_ADDRESS_WRITES
    return _kind(is_read), reads if is_read else writes


def _kind(is_read: bool) -> str:
    return "reads" if is_read else "writes"


def _of_address(request: HttpRequest, kind: str, per_minute: int) -> Iterator[Rate]:
    if per_minute and (address := client_network(request)):
        yield Rate(f"the address {address}", f"address {address}", kind, per_minute)

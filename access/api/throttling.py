"""Rate limits per token and per client address, shared by all processes.

The generic cell rate algorithm (ITU-T I.371): for each key, the table stores the theoretical
arrival time of the next request, if requests were evenly spaced. A request may arrive at most
`BURST` seconds before it, and then advances it by one interval.
"""

import logging
import math
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from typing import Any

from django.conf import settings
from django.db import Error
from django.http import HttpRequest
from django.utils import timezone
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from access.models import Token
from tuner_project.db.faults import FULL, READ_ONLY, fault_of
from tuner_project.db.prepared import rows_of, run
from tuner_project.errors import DomainError
from tuner_project.security.client_address import client_network

_logger = logging.getLogger(__name__)

BURST = 2  # seconds; above 1, because Retry-After is in whole seconds

# If one of the keys is over its limit, nothing is written. Rows are locked in the order of their
# keys to avoid deadlocks.
_TAKE = """
WITH wanted AS MATERIALIZED (
    SELECT key, make_interval(secs => seconds) AS every, (
               SELECT arrives_at - statement_timestamp() FROM access_ratelimit AS r
                WHERE r.key = w.key
           ) AS ahead
      FROM unnest(%(keys)s::bigint[], %(seconds)s::float8[]) AS w(key, seconds)
), taken AS (
    INSERT INTO access_ratelimit AS r (key, arrives_at)
    SELECT key, statement_timestamp() + every FROM wanted
     WHERE NOT EXISTS (SELECT FROM wanted WHERE ahead > make_interval(secs => {burst}))
     ORDER BY key
        ON CONFLICT (key) DO UPDATE
       SET arrives_at = greatest(r.arrives_at, statement_timestamp())
                        + (excluded.arrives_at - statement_timestamp())
     WHERE r.arrives_at <= statement_timestamp() + make_interval(secs => {burst})
    RETURNING key
){noted}
SELECT key, key IN (SELECT key FROM taken), coalesce(extract(epoch FROM ahead), 0)::float8
  FROM wanted
"""
_NOTED = """, noted AS (
    UPDATE access_token SET last_used_at = statement_timestamp() WHERE id = %(token)s
)"""
_GIVE_BACK = """
UPDATE access_ratelimit SET arrives_at = arrives_at - make_interval(secs => %(seconds)s)
 WHERE key = %(key)s
"""


class TooManyRequests(DomainError):
    """The token or the address has sent more requests per minute than it may: retry later."""

    status = 429
    code = "too_many_requests"

    def __init__(self, rate: "Rate", seconds: float) -> None:
        self.wait = max(1, math.ceil(seconds))
        limit = f"{rate.of} may send {rate.per_minute} {rate.kind} a minute"
        super().__init__(f"{limit}: wait {self.wait} s")


@dataclass(frozen=True)
class Rate:
    """A rate limit of one token or address, for one kind of requests."""

    of: str  # description of the owner, for the error message
    owner: str
    kind: str
    per_minute: int

    @property
    def key(self) -> int:
        digest = blake2b(f"{self.kind} {self.owner}".encode(), digest_size=8).digest()
        return int.from_bytes(digest, signed=True)

    @property
    def seconds(self) -> float:
        """The interval between evenly spaced requests."""
        return 60 / self.per_minute


class RequestThrottle(BaseThrottle):
    """Count a request and store when its token was used, both in one statement."""

    def allow_request(self, request: Request, view: Any) -> bool:
        actor: Any = request.user
        token = request.auth if isinstance(request.auth, Token) else None
        if actor is None and settings.AUTH_REQUIRED:
            return True  # rejected by the permissions next, which costs less than counting it
        is_read = request._request.method in SAFE_METHODS
        rates = list(_rates(request._request, token, is_read))
        if rates or token is not None:
            with uncounted_without_writes() if is_read else nullcontext():
                take(rates, token)
        return True


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


def take(rates: Sequence[Rate], token: Token | None = None) -> None:
    """Count a request against all these limits, or none, and store when its token was used.

    Raises:
        TooManyRequests: One of the limits is reached.
    """
    noting = token if token is not None and token.is_use_to_be_noted(timezone.now()) else None
    if not rates:
        if noting is not None:
            Token.objects.note_use(noting)
        return
    statement = _TAKE.format(burst=BURST, noted="" if noting is None else _NOTED)
    arguments = {
        "keys": [rate.key for rate in rates],
        "seconds": [rate.seconds for rate in rates],
        "token": noting and noting.pk,
    }
    found = {row[0]: row[1:] for row in rows_of(statement, arguments)}
    taken = [rate for rate in rates if found[rate.key][0]]
    if len(taken) == len(rates):
        return
    for rate in taken:  # a concurrent request used up another one of the limits
        run(_GIVE_BACK, {"key": rate.key, "seconds": rate.seconds})
    fullest = max((rate for rate in rates if rate not in taken), key=lambda r: found[r.key][1])
    raise TooManyRequests(fullest, found[fullest.key][1] - BURST)


def _rates(request: HttpRequest, token: Token | None, is_read: bool) -> Iterator[Rate]:
    kind = "reads" if is_read else "writes"
    of_token = settings.RATE_LIMIT_READS if is_read else settings.RATE_LIMIT_WRITES
    of_address = (
        settings.RATE_LIMIT_ADDRESS_READS if is_read else settings.RATE_LIMIT_ADDRESS_WRITES
    )
    if token is not None and of_token:
        yield Rate(f'the token "{token.name}"', f"token {token.pk}", kind, of_token)
    yield from _of_address(request, kind, of_address)


def _of_address(request: HttpRequest, kind: str, per_minute: int) -> Iterator[Rate]:
    if per_minute and (address := client_network(request)):
        yield Rate(f"the address {address}", f"address {address}", kind, per_minute)

"""The HTTP library: httpx2, or httpx itself on Python 3.10, where httpx2 does not run.

It is the one library with the same interface for threads and asyncio, a pool of connections, and
transports that run a WSGI or ASGI application in the same process (for tests).
"""

import logging
import ssl
import sys
from collections.abc import Mapping
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import Any

from tuner.errors import ApiError, ConnectionFailed, read_problem
from tuner.version import __version__

if sys.version_info >= (3, 11):
    import httpx2 as httpx
else:
    import httpx

__all__ = [
    "describe_fault",
    "headers",
    "httpx",
    "is_permanent",
    "is_unsent",
    "read_error",
    "read_json",
    "seconds_until",
]

# It logs each request, with its address, at the level INFO.
if (_log := logging.getLogger(httpx.__name__)).level == logging.NOTSET:
    _log.setLevel(logging.WARNING)


def headers(token: str | None) -> dict[str, str]:
    """Return the headers of every request."""
    agent = {"User-Agent": f"tuner-client/{__version__}"}
    return {**agent, **({"Authorization": f"Bearer {token}"} if token else {})}


def is_unsent(error: Exception) -> bool:
    """Tell whether a fault came before the request reached the service."""
    return isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout)


def is_permanent(error: Exception) -> bool:
    """Tell whether a fault will not pass by itself: of the address, the token or a certificate."""
    if isinstance(error, httpx.LocalProtocolError | httpx.UnsupportedProtocol):
        return True
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, ssl.SSLError):
        cause = cause.__cause__ or cause.__context__
    return isinstance(cause, ssl.SSLCertVerificationError) or (
        isinstance(cause, ssl.SSLError) and "WRONG_VERSION_NUMBER" in str(cause)
    )


def describe_fault(error: Exception) -> ConnectionFailed:
    """Return the error for a fault of the connection."""
    text = f"the service did not answer: {type(error).__name__}: {error}".rstrip(": ")
    fault = ConnectionFailed(text)
    fault.__cause__ = error
    return fault


def read_json(response: httpx.Response) -> Any:
    """Return the JSON of an answer.

    Raises:
        ConnectionFailed: it is something else: another server has answered.
    """
    try:
        answer = response.json()
    except ValueError:
        answer = None
    if not isinstance(answer, Mapping | list):
        raise ConnectionFailed(
            f"{response.url.path} was not answered with JSON: is this the address of a service?"
        )
    return answer


def read_error(response: httpx.Response) -> ApiError:
    """Return the error for an answer: the service's problem document, or a proxy's page."""
    try:
        problem = response.json()
    except ValueError:
        problem = None
    return read_problem(
        problem if isinstance(problem, Mapping) else {},
        status=response.status_code,
        request_id=response.headers.get("X-Request-ID"),
        retry_after=_retry_after(response),
    )


def seconds_until(moment: datetime, response: httpx.Response) -> float:
    """Return the seconds to a moment by the clock of the service, not by that of this machine."""
    return (moment - _date_of(response)).total_seconds()


def _retry_after(response: httpx.Response) -> float | None:
    """Return the seconds of `Retry-After`, which are a number or a date (RFC 9110)."""
    value = response.headers.get("Retry-After", "").strip()
    if value.isdecimal():
        return float(value)
    moment = _parse_date(value)
    return None if moment is None else max(0.0, (moment - _date_of(response)).total_seconds())


def _date_of(response: httpx.Response) -> datetime:
    return _parse_date(response.headers.get("Date", "")) or datetime.now(timezone.utc)


def _parse_date(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text)
    except (TypeError, ValueError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)

"""Which errors mean that the service is away for a while, so that nothing must be given up."""

import random

from tuner.errors import ApiError, Busy, ConnectionFailed, TunerError

AWAY_SECONDS = 1.0
MOST_AWAY_SECONDS = 30.0

_random = random.SystemRandom()


def is_outage(error: TunerError) -> bool:
    """Tell whether the same request may succeed later.

    So may one that a proxy answered, also with a 404: its page is no problem document, so that the
    code of the error is only made of the status.
    """
    if isinstance(error, ApiError):
        return error.status >= 500 or isinstance(error, Busy) or error.code.startswith("http_")
    return isinstance(error, ConnectionFailed)


def pause_while_away(n_failed: int) -> float:
    """Return the seconds to the next request after so many: exponential, with full jitter."""
    return _random.uniform(0, min(MOST_AWAY_SECONDS, AWAY_SECONDS * 2 ** min(n_failed, 10)))

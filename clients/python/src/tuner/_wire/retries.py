"""When a request is sent again, and after how long.

Exponential backoff with full jitter (Amazon's builders' library): the n-th pause is uniform between
0 and `min(cap, base · 2^n)`, so that workers that failed together do not come back together. Where
the answer has `Retry-After`, the pause is at least that.
"""

import random
import time
from dataclasses import dataclass, field

from tuner.errors import ApiError, ConnectionFailed

BASE_SECONDS = 0.5
CAP_SECONDS = 30.0

# Refused before anything was carried out: also a request that must not run twice may be repeated.
NOT_CARRIED_OUT = frozenset({408, 429})
UNKNOWN_OUTCOME = frozenset({502, 503, 504})
# A part of the installation is missing: waiting does not bring it.
PERMANENT_CODES = frozenset({"sampler_unavailable"})

_random = random.SystemRandom()  # processes that were forked draw different pauses


@dataclass
class Attempts:
    """The attempts of one request, until its deadline.

    Args:
        deadline: by `time.monotonic()`.
        is_repeatable: see `Request`.
    """

    deadline: float
    is_repeatable: bool
    n_failed: int = field(default=0, init=False)

    def pause_after_fault(self, error: Exception, *, was_sent: bool) -> float:
        """Return the seconds to wait after a fault of the connection.

        Raises:
            ConnectionFailed: the request must not be sent again, or not any more.
        """
        pause = self._next_pause(0.0)
        if (was_sent and not self.is_repeatable) or not self._has_time(pause):
            raise ConnectionFailed(_describe(error)) from error
        return pause

    def pause_after_refusal(self, error: ApiError) -> float:
        """Return the seconds to wait after an answer with an error.

        Raises:
            ApiError: the error, if repeating the request does not help.
        """
        may_repeat = error.status in NOT_CARRIED_OUT or (
            error.status in UNKNOWN_OUTCOME and self.is_repeatable
        )
        pause = self._next_pause(error.retry_after or 0.0)
        if not may_repeat or error.code in PERMANENT_CODES or not self._has_time(pause):
            raise error
        return pause

    def _next_pause(self, at_least: float) -> float:
        jittered = _random.uniform(0, min(CAP_SECONDS, BASE_SECONDS * 2**self.n_failed))
        self.n_failed = min(self.n_failed + 1, 30)
        return at_least + jittered

    def _has_time(self, pause: float) -> bool:
        return time.monotonic() + pause < self.deadline


def _describe(error: Exception) -> str:
    return f"the service did not answer: {type(error).__name__}: {error}".rstrip(": ")

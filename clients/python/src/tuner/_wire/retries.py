"""When a request is sent again, and after how long.

Exponential backoff with full jitter (Amazon's builders' library). Where the answer has
`Retry-After`, the pause is that, and at most twice that.
"""

import logging
import time
from dataclasses import dataclass, field

from tuner._wire.outages import is_outage
from tuner._wire.pauses import full_jitter, spread
from tuner._wire.requests import Request
from tuner.errors import ApiError, ConnectionFailed, TunerError

_log = logging.getLogger("tuner")

BASE_SECONDS = 0.5

# Refused before anything was carried out: also a request that must not run twice may be repeated.
NOT_CARRIED_OUT = frozenset({408, 429})
UNKNOWN_OUTCOME = frozenset({502, 503, 504})
# A part of the installation is missing: waiting does not bring it.
PERMANENT_CODES = frozenset({"sampler_unavailable"})


@dataclass
class Attempts:
    """The attempts of one request.

    Args:
        request: that is sent.
        seconds: in which attempts may begin; 0 is a single one.
    """

    request: Request
    seconds: float
    n_failed: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self._ends_at = time.monotonic() + self.seconds

    def pause_after_fault(self, error: ConnectionFailed, *, was_sent: bool) -> float:
        """Return the seconds to wait after a fault of the connection.

        Raises:
            ConnectionFailed: the request must not be sent again, or not any more.
        """
        return self._pause(error, may_repeat=self.request.is_repeatable or not was_sent)

    def pause_after_refusal(self, error: ApiError) -> float:
        """Return the seconds to wait after an answer with an error.

        Raises:
            ApiError: the error, if repeating the request does not help.
        """
        is_temporary = error.status in UNKNOWN_OUTCOME or (
            self.request.is_patient and is_outage(error)
        )
        may_repeat = error.status in NOT_CARRIED_OUT or (
            is_temporary and self.request.is_repeatable
        )
        return self._pause(error, may_repeat and error.code not in PERMANENT_CODES)

    def _pause(self, error: TunerError, may_repeat: bool) -> float:
        after = error.retry_after if isinstance(error, ApiError) else None
        pause = spread(after, 2 * after) if after else full_jitter(BASE_SECONDS, self.n_failed)
        if not may_repeat or time.monotonic() + pause >= self._ends_at:
            raise error
        if self.n_failed == 0:
            _log.warning("%s; trying again for %.0f s", error, self.seconds)
        self.n_failed += 1
        return pause

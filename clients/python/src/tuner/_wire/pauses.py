"""How long to wait before a request is sent again, so that workers do not come back together."""

import random

CAP_SECONDS = 30.0
AWAY_SECONDS = 1.0
PAUSED_SECONDS = 10.0  # at most, between two asks of a paused study
BUSY_SECONDS = 1.0  # where an answer does not say when to ask again

# Processes that were forked draw different pauses.
_random = random.SystemRandom()


def spread(low: float, high: float) -> float:
    """Return seconds between two bounds, uniformly."""
    return _random.uniform(low, high)


def full_jitter(base: float, n_failed: int) -> float:
    """Return the pause after so many failures: uniform up to `min(cap, base · 2^n)`."""
    return spread(0, min(CAP_SECONDS, base * 2 ** min(n_failed, 30)))


def pause_while_away(n_failed: int) -> float:
    """Return the seconds to the next request of an agent after so many failures in an outage."""
    return full_jitter(AWAY_SECONDS, n_failed)


def pause_while_paused() -> float:
    """Return the seconds to the next ask of a paused study."""
    return spread(0.5, 1) * PAUSED_SECONDS

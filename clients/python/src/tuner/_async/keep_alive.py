"""The leases of trials that are evaluated by hand, outside a `with` block."""

import weakref
from collections.abc import Sequence

from tuner._async.tasks import AsyncTicker
from tuner._async.trial import AsyncTrial


def keep_alive(trials: Sequence[AsyncTrial]) -> None:
    """Renew the leases of trials in the background until each has a result, is lost or is dropped.

    Args:
        trials: that were asked for together; only weakly referred to, so that the lease of a trial
            that the program has dropped expires.
    """
    references = [weakref.ref(trial) for trial in trials]
    first = trials[0].seconds_to_beat()
    if first is None:
        return
    for trial in trials:
        trial.is_kept_alive = True

    async def beat() -> float | None:
        pauses: list[float] = []
        for reference in references:
            trial = reference()
            pause = None if trial is None else await trial.beat()
            if pause is not None:
                pauses.append(pause)
        return min(pauses, default=None)

    AsyncTicker(beat, first)

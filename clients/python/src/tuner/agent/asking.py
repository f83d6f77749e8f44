"""Asks for trials, waits where there are none, and leaves none behind when the agent ends."""

import asyncio
import logging

from tuner._async.study import AsyncStudy
from tuner._async.trial import AsyncTrial
from tuner._wire.outages import is_outage
from tuner._wire.pauses import BUSY_SECONDS, pause_while_away, pause_while_paused, spread
from tuner._worker.budget import Budget
from tuner._worker.slots import Slot
from tuner.agent.options import DEFAULT_LEASE, Options
from tuner.errors import ApiError, FixedValuesExhausted, StudyEnded, StudyPaused, TunerError

_log = logging.getLogger("tuner")

SECONDS_TO_CLOSE = 10.0  # for the answer to an ask, when the agent ends


class Asking:
    """The asks of all slots.

    Args:
        study: that is asked.
        options: of the agent.
        closing: set when no further trial must be started.
    """

    def __init__(self, study: AsyncStudy, options: Options, closing: asyncio.Event) -> None:
        self._study = study
        self._closing = closing
        self._budget = Budget(options.n_trials, options.timeout)
        self._wait_while_paused = options.wait_while_paused
        self._lease = options.lease_seconds
        if self._lease is None and study.info.lease_seconds is None:
            self._lease = DEFAULT_LEASE
        self._fixed = options.fixed or None
        self._last_message = ""

    async def next_trial(self, slot: Slot) -> AsyncTrial | None:
        """Return the next trial; None when the study, the budget or the agent has ended."""
        if self._closing.is_set() or not self._budget.take():
            return None
        n_failed = 0
        while not self._closing.is_set() and self._budget.seconds_left > 0:
            try:
                return await self._ask(slot)
            except (StudyEnded, FixedValuesExhausted) as ended:
                self._say(ended.detail)
                return None
            except StudyPaused as paused:
                self._say(paused.detail)
                if not self._wait_while_paused:
                    return None
                pause = pause_while_paused()
            except TunerError as error:
                if not is_outage(error):
                    raise
                self._say(getattr(error, "detail", str(error)))
                pause = _pause_after(error, n_failed)
                n_failed += 1
            await self._sleep(pause)
        return None

    async def _ask(self, slot: Slot) -> AsyncTrial | None:
        """Ask once.

        A trial that arrives when the agent is ending is given back, and is waited for: the service
        would else keep it for a worker that does not know of it.
        """
        asking = asyncio.create_task(
            self._study.ask_in(slot, lease_seconds=self._lease, fixed=self._fixed, deadline=0)
        )
        closing = asyncio.create_task(self._closing.wait())
        await asyncio.wait({asking, closing}, return_when=asyncio.FIRST_COMPLETED)
        closing.cancel()
        await asyncio.wait({asking}, timeout=SECONDS_TO_CLOSE)
        if not asking.done():
            asking.cancel()
            return None
        trial = await asking
        if not self._closing.is_set():
            return trial
        await trial.give_back("given back: the agent was ending")
        return None

    async def _sleep(self, seconds: float) -> None:
        """Sleep, but not beyond the end of the agent or of its time."""
        closing = asyncio.create_task(self._closing.wait())
        await asyncio.wait({closing}, timeout=min(seconds, self._budget.seconds_left))
        closing.cancel()

    def _say(self, message: str) -> None:
        """Log why there is no trial, once for all slots and repetitions."""
        if message != self._last_message:
            self._last_message = message
            _log.info("no trial to evaluate: %s", message)


def _pause_after(error: TunerError, n_failed: int) -> float:
    """Return the seconds as `Retry-After` has them, or those of an outage."""
    if isinstance(error, ApiError) and error.retry_after is not None:
        return error.retry_after + spread(0, BUSY_SECONDS)
    return pause_while_away(n_failed)

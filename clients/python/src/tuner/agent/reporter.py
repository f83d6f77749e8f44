"""Reports what a program writes, and learns whether it should go on."""

import asyncio
import itertools
import logging

from tuner._async.trial import AsyncTrial
from tuner._wire.pauses import pause_while_away
from tuner.agent.files import ReportsFile
from tuner.answers import HeartbeatReply
from tuner.errors import Invalid, LeaseLost, TunerError

_log = logging.getLogger("tuner")

POLL_SECONDS = 0.2
MOST_STEPS = 1000  # in one request


class Reporter:
    """The intermediate values of one trial.

    Args:
        trial: that is evaluated, in its `with` block, which renews its lease.
        file: to which the program appends.
    """

    def __init__(self, trial: AsyncTrial, file: ReportsFile) -> None:
        trial.raises = False  # all but LeaseLost: the advice is looked at between the reports
        self._trial = trial
        self._file = file
        self._name = f"trial {trial.trial_id}"
        self._waiting: dict[int, float] = {}

    async def run(self) -> HeartbeatReply:
        """Report until the service advises to stop; returns its advice.

        Any other answer ends no evaluation: values wait while the service, a proxy or a right is
        away.

        Raises:
            LeaseLost: the trial was ended without this agent.
        """
        n_failed = 0
        while not self._trial.should_prune():
            if self._trial.lost is not None:
                raise self._trial.lost
            self._waiting |= self._file.read_new()
            try:
                await self._send()
            except LeaseLost:
                raise
            except TunerError as error:
                if not n_failed:
                    _log.warning("%s: its reports wait: %s", self._name, error)
                await asyncio.sleep(pause_while_away(n_failed))
                n_failed += 1
            else:
                n_failed = 0
            await asyncio.sleep(POLL_SECONDS)
        return self._trial.reply

    async def finish(self) -> None:
        """Report what is left, once the program has ended; what the advice is does not count.

        Raises:
            TunerError: they are not stored; it can be called again.
        """
        self._waiting |= self._file.read_new(is_ended=True)
        while self._waiting:
            await self._send()

    async def _send(self) -> None:
        """Report some of the waiting values; those that the service refuses are left out."""
        values = dict(itertools.islice(self._waiting.items(), MOST_STEPS))
        if not values:
            return
        try:
            await self._trial.report(values)
        except Invalid as error:
            _log.warning("%s: its reports are refused: %s", self._name, error)
        self._waiting = {step: value for step, value in self._waiting.items() if step not in values}

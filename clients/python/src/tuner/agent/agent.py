"""The agent: slots that ask for trials and evaluate them, until the study or the agent ends."""

import asyncio
import logging
import signal
import time
from collections import deque
from contextlib import ExitStack

from tuner._async.study import AsyncStudy
from tuner._worker.progress import describe_progress
from tuner._worker.slots import Slot
from tuner.agent.asking import Asking
from tuner.agent.attempt import Attempt
from tuner.agent.child import Child
from tuner.agent.halt import Halt
from tuner.agent.options import Options
from tuner.agent.screen import Screen
from tuner.answers import FrozenTrial
from tuner.errors import TunerError

_log = logging.getLogger("tuner")

STREAK_SECONDS = 60.0
SECONDS_TO_END = 10.0  # for a request, once a signal has come: a scheduler kills soon
TERMINAL_SECONDS = 2.0  # between two requests for the progress
LOG_SECONDS = 60.0


class Agent:
    """Evaluates the trials of a study.

    Args:
        study: whose trials to evaluate.
        options: what to do.
        screen: where the output goes.
    """

    def __init__(self, study: AsyncStudy, options: Options, screen: Screen) -> None:
        self._study = study
        self._options = options
        self._screen = screen
        self._closing = asyncio.Event()
        self._halt = Halt(self._end_soon, self._end_now)
        self._asking = Asking(study, options, self._closing)
        self._children: set[Child] = set()
        self._streak = FailureStreak(options.max_failures)

    async def run(self) -> int:
        """Evaluate trials until the end; returns the exit code.

        Raises:
            TunerError: the service refuses to hand out trials.
        """
        self._halt.install()
        with ExitStack() as slots:
            works = [
                asyncio.create_task(self._work(slots.enter_context(self._study.slot())))
                for _ in range(self._options.n_slots)
            ]
            progress = asyncio.create_task(self._show_progress())
            errors = [
                error
                for error in await asyncio.gather(*works, return_exceptions=True)
                if error is not None
            ]
            progress.cancel()
        if self._halt.number is not None:
            return 128 + self._halt.number
        if errors:
            raise errors[0]
        return 1 if self._streak.is_full else 0

    async def _work(self, slot: Slot) -> None:
        """Evaluate the trials of one slot."""
        try:
            while (trial := await self._asking.next_trial(slot)) is not None:
                attempt = Attempt(trial, self._options, self._screen, self._halt, self._children)
                self._note(await attempt.run())
        except BaseException as error:
            if not self._closing.is_set():
                _log.error("ending, because of an error: %s", error)
            self._closing.set()
            raise

    def _note(self, trial: FrozenTrial | None) -> None:
        """End the agent if the programs only fail."""
        if trial is None:
            return
        self._streak.note(is_failure=trial.state == "FAIL")
        if self._streak.is_full and not self._closing.is_set():
            _log.error(
                "ending, because %d trials in a row have failed within a minute",
                self._options.max_failures,
            )
            self._closing.set()

    def _end_soon(self, number: signal.Signals) -> None:
        _log.info(
            "%s: it is passed on to %d programs, whose end is waited for; another one kills them",
            number.name, len(self._children),
        )  # fmt: skip
        self._study.transport.deadline = SECONDS_TO_END
        self._closing.set()

    def _end_now(self) -> None:
        for child in self._children:
            child.send_signal(signal.SIGKILL)

    async def _show_progress(self) -> None:
        """Show how far the study is: in place on a terminal, now and then in a log."""
        while True:
            try:
                line = describe_progress(await self._study.progress())
            except TunerError as error:
                line = str(error)
            if self._screen.is_terminal:
                self._screen.show(line)
            else:
                _log.info("%s", line)
            await asyncio.sleep(TERMINAL_SECONDS if self._screen.is_terminal else LOG_SECONDS)


class FailureStreak:
    """Failures in a row, in a short time.

    Args:
        length: of a full streak; 0 for none.
    """

    def __init__(self, length: int) -> None:
        self._times: deque[float] = deque(maxlen=length)
        self.is_full = False

    def note(self, *, is_failure: bool) -> None:
        """Note the end of a trial."""
        if not is_failure:
            self._times.clear()
            return
        self._times.append(time.monotonic())
        is_long = 0 < len(self._times) == self._times.maxlen
        self.is_full |= is_long and self._times[-1] - self._times[0] < STREAK_SECONDS

"""SIGTERM and SIGINT, with which a scheduler or a person ends the agent."""

import asyncio
import signal
from collections.abc import Callable


class Halt:
    """The request to end.

    Args:
        first: called at the first signal.
        again: called at each further one: the programs are not to be waited for any more.

    Attributes:
        number: the first signal; None before it.
    """

    def __init__(self, first: Callable[[signal.Signals], None], again: Callable[[], None]) -> None:
        self._first = first
        self._again = again
        self._event = asyncio.Event()
        self.number: signal.Signals | None = None

    def install(self) -> None:
        """Listen to the signals; to a hang-up only where it is not ignored, as by `nohup`."""
        numbers = [signal.SIGTERM, signal.SIGINT]
        if signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:
            numbers.append(signal.SIGHUP)
        for number in numbers:
            asyncio.get_running_loop().add_signal_handler(number, self._receive, number)

    async def wait(self) -> None:
        """Wait for the first signal."""
        await self._event.wait()

    def _receive(self, number: signal.Signals) -> None:
        if self.number is not None:
            self._again()
            return
        self.number = number
        self._event.set()
        self._first(number)

"""What runs beside a trial, with threads. `_async/tasks.py` has the same with asyncio."""

import os
import threading
from collections.abc import Callable
from time import sleep
from typing import TypeVar

from tuner._worker.termination import held_signals, sigterm_raises

__all__ = [
    "Ticker",
    "current_place",
    "run_in_parallel",
    "sigterm_between_trials",
    "sigterm_raises",
    "sleep",
    "undo_if_interrupted",
]

sigterm_between_trials = sigterm_raises

STEP_SECONDS = 0.2  # of a wait for a thread

_Result = TypeVar("_Result")


class Ticker:
    """Calls a function again and again in the background, until it is stopped.

    Args:
        tick: returns the seconds until its next call, or None to end.
        first: the seconds until its first call.
    """

    def __init__(self, tick: Callable[[], float | None], first: float) -> None:
        self._tick = tick
        self._stopped = threading.Event()
        threading.Thread(
            target=self._run, args=[first], name="tuner-heartbeat", daemon=True
        ).start()

    def stop(self) -> None:
        """End the calls; one that runs ends by itself."""
        self._stopped.set()

    def _run(self, first: float) -> None:
        pause: float | None = first
        while pause is not None and not self._stopped.wait(pause):
            pause = self._tick()


def run_in_parallel(n: int, work: Callable[[], None], give_back: Callable[[], None]) -> None:
    """Run `work` n times at once and raise the first error; the others finish their trial first.

    Args:
        n: how many; a single one runs in the calling thread.
        work: ends by itself, soon after one of them has raised an error.
        give_back: called when the calling thread is interrupted, by SIGTERM or Ctrl-C. The threads
            do not outlive the process.
    """
    if n == 1:
        work()
        return
    errors: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - raised below, in the calling thread
            errors.append(error)

    threads = [threading.Thread(target=run, daemon=True) for _ in range(n)]
    try:
        for thread in threads:
            thread.start()
        # In steps: a signal that another thread receives does not interrupt a wait of this one.
        for thread in threads:
            while thread.is_alive():
                thread.join(STEP_SECONDS)
    except BaseException:
        give_back()
        raise
    if errors:
        raise errors[0]


def undo_if_interrupted(call: Callable[[], _Result], undo: Callable[[_Result], object]) -> _Result:
    """Return the result of a call; if SIGTERM or Ctrl-C came meanwhile, undo it first.

    Args:
        call: has an effect in the service that must not be left behind.
        undo: takes its result.
    """
    with held_signals() as held:
        result = call()
        if held.number is not None:
            undo(result)
    held.deliver()
    return result


def current_place() -> object:
    """Return what connections belong to: this process."""
    return os.getpid()

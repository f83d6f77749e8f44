"""What runs beside a trial, with asyncio. `_sync/tasks.py` has the same with threads."""

import asyncio
import os
import signal
from asyncio import sleep
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from tuner._worker.termination import SECONDS_TO_END, has_default_sigterm

__all__ = [
    "AsyncTicker",
    "current_place",
    "run_in_parallel",
    "sigterm_between_trials",
    "sigterm_raises",
    "sleep",
    "undo_if_interrupted",
]

sigterm_between_trials = nullcontext  # a generator of asyncio may be closed long after its loop

_Result = TypeVar("_Result")


class AsyncTicker:
    """Calls a function again and again in the background, until it is stopped.

    Args:
        tick: returns the seconds until its next call, or None to end.
        first: the seconds until its first call.
    """

    def __init__(self, tick: Callable[[], Awaitable[float | None]], first: float) -> None:
        self._tick = tick
        self._task = asyncio.create_task(self._run(first))

    def stop(self) -> None:
        """End the calls; one that runs is cancelled."""
        self._task.cancel()

    async def _run(self, first: float) -> None:
        pause: float | None = first
        while pause is not None:
            await sleep(pause)
            pause = await self._tick()


async def run_in_parallel(
    n: int, work: Callable[[], Awaitable[None]], give_back: Callable[[], Awaitable[None]]
) -> None:
    """Run `work` n times at once and raise the first error; the others finish their trial first.

    Args:
        n: how many.
        work: ends by itself, soon after one of them has raised an error.
        give_back: for threads, which cannot be cancelled; tasks give their trials back themselves.
    """
    results = await asyncio.gather(*(work() for _ in range(n)), return_exceptions=True)
    for result in results:
        if result is not None:
            raise result


class _Sigterm:
    """SIGTERM in an event loop: it cancels the tasks that hold a trial, which give it back.

    Raised as an exception wherever the loop is, as with threads, it would end the loop under them.
    """

    def __init__(self) -> None:
        self.tasks: Counter[asyncio.Task[Any]] = Counter()  # and how many blocks each is in
        self.is_received = False

    def receive(self) -> None:
        self.is_received = True
        for task in self.tasks:
            task.cancel()


_sigterm_of: "WeakKeyDictionary[asyncio.AbstractEventLoop, _Sigterm]" = WeakKeyDictionary()


@contextmanager
def sigterm_raises() -> Iterator[None]:
    """Let SIGTERM cancel the task in the block, and raise `SystemExit(143)` when all have ended.

    A handler that the program has installed stays.
    """
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    state = _sigterm_of.setdefault(loop, _Sigterm())
    if task is None or not (state.tasks or has_default_sigterm()):
        yield
        return
    if not state.tasks:
        loop.add_signal_handler(signal.SIGTERM, state.receive)
    state.tasks[task] += 1
    try:
        yield
    finally:
        state.tasks[task] -= 1
        state.tasks += Counter()  # drops those that are in no block
        if not state.tasks:
            loop.remove_signal_handler(signal.SIGTERM)
            if state.is_received:
                raise SystemExit(128 + signal.SIGTERM)


async def undo_if_interrupted(
    call: Callable[[], Awaitable[_Result]], undo: Callable[[_Result], Awaitable[object]]
) -> _Result:
    """Return the result of a call; if cancelled meanwhile, wait for it, undo it and be cancelled.

    Args:
        call: has an effect in the service that must not be left behind.
        undo: takes its result.
    """
    calling = asyncio.ensure_future(call())
    try:
        return await asyncio.shield(calling)
    except asyncio.CancelledError:
        await asyncio.wait({calling}, timeout=SECONDS_TO_END)
        if not calling.done():
            calling.cancel()
        elif not calling.cancelled() and calling.exception() is None:
            await undo(calling.result())
        raise


def current_place() -> object:
    """Return what connections belong to: this process and its event loop."""
    return os.getpid(), asyncio.get_running_loop()

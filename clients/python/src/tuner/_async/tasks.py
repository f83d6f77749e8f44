"""What runs beside a trial, with asyncio. `_sync/tasks.py` has the same with threads."""

import asyncio
from asyncio import sleep
from collections.abc import Awaitable, Callable

__all__ = ["AsyncTicker", "run_in_parallel", "sleep"]


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

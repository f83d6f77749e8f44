"""The lock under which one thread at a time draws from a study's sampler."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from math import ceil

from studies.errors import StudyBusy
from tuner_project.rest.bounds.thread_shares import thread_share

MAX_WAIT = 10.0  # seconds
# All threads may wait while draws take at most so many seconds on average, and the present one not
# much longer. A light request waits for the draws of those before it, so the average counts.
QUICK = 0.1
PATIENCE = 0.5
_WEIGHT = 0.3  # of the last draw in the average
_SLICE = 0.1  # seconds between two looks at how long the draw takes


class SamplerLock:
    """A lock that threads wait for only while requests of other studies do not suffer.

    A thread that waits serves no other study. So while draws are slow, at most `thread_share()`
    threads hold the lock or wait for it, the others are refused at once; and none waits for longer
    than MAX_WAIT.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counting = threading.Lock()
        self._n_waiting = 0
        self._held_since: float | None = None
        self._average = 0.0  # seconds of the recent draws, exponentially weighted

    def try_acquire(self) -> bool:
        """Acquire the lock if it is free, and return whether it was."""
        return self._acquire(timeout=0)

    def acquire(self) -> None:
        """Wait for the lock, and acquire it.

        Raises:
            StudyBusy: too many threads wait for a slow draw already, or it has taken too long.
        """
        deadline = time.monotonic() + MAX_WAIT
        with self._waiting():
            self._check(deadline)
            while not self._acquire(timeout=_SLICE):
                self._check(deadline)

    def __enter__(self) -> None:
        self.acquire()

    def __exit__(self, *raised: object) -> None:
        self.release()

    def begin_draw(self) -> None:
        """Measure the draw from now on: not how long its thread has waited for the database."""
        self._held_since = time.monotonic()

    def release(self) -> None:
        self._average += _WEIGHT * (self._seconds_held() - self._average)
        self._held_since = None
        self._lock.release()

    def _acquire(self, timeout: float) -> bool:
        is_acquired = self._lock.acquire(timeout=timeout)
        if is_acquired:
            self._held_since = time.monotonic()
        return is_acquired

    @contextmanager
    def _waiting(self) -> Iterator[None]:
        with self._counting:
            self._n_waiting += 1
        try:
            yield
        finally:
            with self._counting:
                self._n_waiting -= 1

    def _check(self, deadline: float) -> None:
        """Refuse this thread if the wait is too long, or it is one too many for a slow draw."""
        held = self._seconds_held()
        is_slow = self._average > QUICK or held > PATIENCE
        is_one_too_many = self._n_waiting >= thread_share() and is_slow
        if is_one_too_many or time.monotonic() > deadline:
            raise StudyBusy(
                "the study's sampler is busy with other asks: try again",
                wait=ceil(max(self._average, held)),
            )

    def _seconds_held(self) -> float:
        since = self._held_since
        return 0.0 if since is None else time.monotonic() - since

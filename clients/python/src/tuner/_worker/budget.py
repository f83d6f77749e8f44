"""What ends a loop before the study ends: a number of trials, a time, or `stop()`."""

import itertools
import math
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any


class Budget:
    """A number of trials and a time, shared by the threads or tasks of one call.

    Args:
        n_trials: how many trials may be started; None for any number.
        timeout: seconds after which none is started; None for any time.
    """

    def __init__(self, n_trials: int | None = None, timeout: float | None = None) -> None:
        self._n_trials = math.inf if n_trials is None else n_trials
        self._ends_at = math.inf if timeout is None else time.monotonic() + timeout
        self._started = itertools.count()  # `next` of it is atomic
        self.is_stopped = False
        self._mutex = threading.Lock()
        self.n_asking = 0
        self.running: set[Any] = set()  # the trials that were handed out

    @contextmanager
    def asking(self) -> Iterator[None]:
        """Note that a trial is being asked for, which must not be left behind."""
        with self._mutex:
            self.n_asking += 1
        try:
            yield
        finally:
            with self._mutex:
                self.n_asking -= 1

    @property
    def seconds_left(self) -> float:
        """The seconds in which trials may still be started; may be infinite."""
        return 0.0 if self.is_stopped else max(0.0, self._ends_at - time.monotonic())

    def take(self) -> bool:
        """Tell whether another trial may be started, and count it."""
        return self.seconds_left > 0 and next(self._started) < self._n_trials

    def stop(self) -> None:
        """Let no further trial be started."""
        self.is_stopped = True


def as_tuple(
    catch: Iterable[type[Exception]] | type[Exception],
) -> tuple[type[Exception], ...]:
    """Return the exceptions of a `catch` argument, which may be a single one, as a tuple."""
    return (catch,) if isinstance(catch, type) else tuple(catch)

"""How many of a process's threads the heavy requests of one caller may hold at a time.

Half of them: the others stay for the rest. A thread that waits is held, too, so a request beyond
the share waits only while those before it are quick, and otherwise is refused at once.
"""

import threading
import time
from collections.abc import Callable, Hashable
from functools import partial

from django.conf import settings

from tuner_project.errors import DomainError

QUICK = 0.2  # seconds


class TooManyHeavyRequests(DomainError):
    """The caller's other heavy requests are still being served: retry later."""

    status = 429
    code = "too_many_heavy_requests"
    wait = 1


def thread_share() -> int:
    """Return how many threads of this process one caller may hold."""
    return max(1, settings.WEB_THREADS // 2)


class ThreadShares:
    """The heavy requests that are being served, by caller."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._began: dict[Hashable, list[float]] = {}

    def take(self, caller: Hashable) -> Callable[[], None]:
        """Count a heavy request of the caller, and return what ends it, to be called once.

        Raises:
            TooManyHeavyRequests: so many are being served already, and none of them is quick.
        """
        with self._changed:
            while len(began := self._began.setdefault(caller, [])) >= thread_share():
                left = began[-1] + QUICK - time.monotonic()
                if left <= 0 or not self._changed.wait(left):
                    raise TooManyHeavyRequests(
                        f"{len(began)} heavy requests are being served for you: "
                        "wait until one of them has ended"
                    )
            began.append(time.monotonic())
            return partial(self._end, caller, began[-1])

    def _end(self, caller: Hashable, began: float) -> None:
        with self._changed:
            held = self._began[caller]
            held.remove(began)
            if not held:
                del self._began[caller]
            self._changed.notify_all()


thread_shares = ThreadShares()

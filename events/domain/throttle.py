"""What this process did a short while ago, and need not do again."""

import threading
from collections import OrderedDict
from collections.abc import Hashable
from time import monotonic

MAX_KEYS = 10_000


class Throttle:
    """Says of each key at most once in `seconds` that it is due, as far as it remembers."""

    def __init__(self, seconds: float, max_keys: int = MAX_KEYS) -> None:
        self._seconds, self._max_keys = seconds, max_keys
        self._lock = threading.Lock()
        self._last: OrderedDict[Hashable, float] = OrderedDict()

    def is_due(self, key: Hashable) -> bool:
        """Return whether a key is due; then it is not for a while."""
        now = monotonic()
        with self._lock:
            last = self._last.get(key)
            if last is not None and now - last < self._seconds:
                return False
            self._last[key] = now
            self._last.move_to_end(key)
            if len(self._last) > self._max_keys:
                self._last.popitem(last=False)
            return True

    def clear(self) -> None:
        """Forget all keys."""
        with self._lock:
            self._last.clear()

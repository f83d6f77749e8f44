"""The numbers of connections of gunicorn's workers, in memory that all of them share.

All workers wait at the same listening socket, and the kernel wakes the same one first whenever it
is idle: of four kept-alive connections one worker often had all, and one core served them.
"""

import mmap

_MAX_WORKERS = 256
_ABSENT = -1


class ConnectionCounts:
    """The number of open connections by slot; create it in the master, before workers are forked.

    Each worker writes its own slot only.
    """

    def __init__(self) -> None:
        shared = mmap.mmap(-1, _MAX_WORKERS * 8)
        self._counts = memoryview(shared).cast("q")
        for slot in range(_MAX_WORKERS):
            self._counts[slot] = _ABSENT

    def publish(self, slot: int, count: int) -> None:
        if slot < _MAX_WORKERS:
            self._counts[slot] = count

    def remove(self, slot: int) -> None:
        """Remove a worker that has ended, or accepts no more connections."""
        self.publish(slot, _ABSENT)

    def has_fewer_elsewhere(self, count: int) -> bool:
        """Return whether a worker has fewer than `count` connections."""
        return any(_ABSENT < each < count for each in self._counts)

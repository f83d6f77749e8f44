"""What the parts of some work take, at a microsecond a part."""

import logging
import threading
from abc import ABC, abstractmethod
from collections.abc import Mapping
from time import perf_counter
from types import TracebackType
from typing import Self

_logger = logging.getLogger(__name__)
OTHER = "other"


class _Current(threading.local):
    watch: "Watch | None" = None


_current = _Current()


class Watch(ABC):
    """Measures the work of this thread in the `with` block, by its parts.

    The time belongs to `OTHER`, but for what the blocks of `stopwatch` take. A subclass defines
    what is done with it.
    """

    def __init__(self) -> None:
        self.parts: dict[str, float] = {}
        self._part = OTHER
        self._began = self._since = 0.0

    def switch(self, part: str) -> str:
        """Count the time from now on for this part; return the part before."""
        now = perf_counter()
        before = self._part
        self.parts[before] = self.parts.get(before, 0.0) + now - self._since
        self._part, self._since = part, now
        return before

    @abstractmethod
    def finish(self, seconds: float, *, has_failed: bool) -> None:
        """Use the time of the whole block, and `parts`; a block that raised has failed."""

    def __enter__(self) -> Self:
        self._began = self._since = perf_counter()
        _current.watch = self
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        _current.watch = None
        self.switch(OTHER)
        self.finish(self._since - self._began, has_failed=error is not None)


class stopwatch:
    """The block is this part of the work that the thread's watch measures, if there is one.

    A block within another one is not counted in that.
    """

    __slots__ = ("_before", "_part", "_watch")

    def __init__(self, part: str) -> None:
        self._part = part

    def __enter__(self) -> None:
        self._watch = _current.watch
        if self._watch is not None:
            self._before = self._watch.switch(self._part)

    def __exit__(self, *error: object) -> None:
        if self._watch is not None:
            self._watch.switch(self._before)


def log_slow(what: str, seconds: float, parts: Mapping[str, float], **fields: str) -> None:
    """Log work that was slow, with its parts and further fields of the log line."""
    _logger.warning(
        "%s took %.3f s: %s",
        what,
        seconds,
        ", ".join(f"{part} {time:.3f}" for part, time in parts.items()),
        extra={
            **fields,
            "parts": {part: round(time, 6) for part, time in parts.items()},
            "seconds": round(seconds, 6),
        },
    )

"""Timing of the parts of a piece of work, at a cost of one microsecond per part."""

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
    """Measure the time of this thread in a `with` block, by its parts.

    Time outside of `stopwatch` blocks is counted as `OTHER`. A subclass defines in `finish` how
    the times are used.
    """

    def __init__(self) -> None:
        self.parts: dict[str, float] = {}
        self._part = OTHER
        self._began = self._since = 0.0

    def switch(self, part: str) -> str:
        """Count the time from now on for this part; return the previous part."""
        now = perf_counter()
        before = self._part
        self.parts[before] = self.parts.get(before, 0.0) + now - self._since
        self._part, self._since = part, now
        return before

    @abstractmethod
    def finish(self, seconds: float, *, has_failed: bool) -> None:
        """Handle the time of the whole block and `parts`; a block that raised has failed."""

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
    """Count the time of a block for a part, if this thread has an active `Watch`.

    The time of a nested block is not counted for the outer one.
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
    """Log slow work, with its parts and further fields for the log record."""
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

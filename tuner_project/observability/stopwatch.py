"""What the parts of an ask take, at a microsecond a part."""

import logging
import threading
from time import perf_counter
from types import TracebackType

from django.conf import settings

from tuner_project.observability.signals import ask_measured

_logger = logging.getLogger(__name__)
OTHER = "other"


class _Current(threading.local):
    ask: "AskWatch | None" = None


_current = _Current()


class AskWatch:
    """Measures an ask that runs in the `with` block, and logs it where it was slow.

    Its time belongs to `OTHER`, but for what the blocks of `stopwatch` take.
    """

    def __init__(self, *, study: str, sampler: str) -> None:
        self.study = study
        self.sampler = sampler
        self.parts: dict[str, float] = {}
        self._part = OTHER
        self._began = self._since = 0.0

    def switch(self, part: str) -> str:
        """From now on it is this part; gives the one before."""
        now = perf_counter()
        before = self._part
        self.parts[before] = self.parts.get(before, 0.0) + now - self._since
        self._part, self._since = part, now
        return before

    def __enter__(self) -> "AskWatch":
        self._began = self._since = perf_counter()
        _current.ask = self
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        _current.ask = None
        self.switch(OTHER)
        seconds = self._since - self._began
        if error is None:
            ask_measured.send(AskWatch, sampler=self.sampler, seconds=seconds, parts=self.parts)
        if seconds > settings.SLOW_ASK_SECONDS:
            self._log(seconds)

    def _log(self, seconds: float) -> None:
        parts = {part: round(time, 6) for part, time in self.parts.items()}
        fields = {"study": self.study, "sampler": self.sampler, "parts": parts}
        _logger.warning(
            'an ask of study "%s" took %.3f s: %s',
            self.study,
            seconds,
            ", ".join(f"{part} {time:.3f}" for part, time in parts.items()),
            extra=fields | {"seconds": round(seconds, 6)},
        )


class stopwatch:
    """The block is this part of the ask that the thread serves; of none, it costs nothing.

    A block within another one is not counted in that.
    """

    __slots__ = ("_before", "_part", "_watch")

    def __init__(self, part: str) -> None:
        self._part = part

    def __enter__(self) -> None:
        self._watch = _current.ask
        if self._watch is not None:
            self._before = self._watch.switch(self._part)

    def __exit__(self, *error: object) -> None:
        if self._watch is not None:
            self._watch.switch(self._before)

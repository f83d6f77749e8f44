"""What a program prints: passed on, searched for a metric, and its end kept for the reason."""

import asyncio
import codecs
import logging
import re
from collections import deque
from collections.abc import Awaitable, Callable

_log = logging.getLogger("tuner")

CHUNK = 65_536
LONGEST_LINE = 65_536  # a longer one is divided
SHOWN = 200


class Metric:
    """A pattern that finds the value of the objective in the output: its last match counts.

    Args:
        pattern: a regular expression with one group.
        owner: the name of the trial, for messages.
    """

    def __init__(self, pattern: "re.Pattern[str]", owner: str) -> None:
        self._regex = pattern
        self._owner = owner
        self.value: float | None = None

    @property
    def pattern(self) -> str:
        """The regular expression as it was given."""
        return self._regex.pattern

    def look_at(self, line: str, number: int) -> None:
        """Look for the metric in a line; one that is no number is named in a warning."""
        for match in self._regex.finditer(line):
            try:
                self.value = float(match[1])
            except (ValueError, TypeError):
                _log.warning(
                    "%s: line %d of its output matches --metric %s, but %r is not a number: %r",
                    self._owner, number, self.pattern, match[1], line[:SHOWN],
                )  # fmt: skip


class Output:
    """The output of one program.

    Args:
        write: passes lines on.
        keep: how many characters of its end to keep.
        metric: what to look for.
    """

    def __init__(
        self, write: Callable[[list[str]], Awaitable[None]], keep: int, metric: Metric | None
    ) -> None:
        self._write = write
        self._keep = keep
        self._metric = metric
        self._tail: deque[str] = deque()
        self._size = 0
        self._n_lines = 0

    @property
    def tail(self) -> str:
        """The end of the output."""
        return "\n".join(self._tail)[-self._keep :]

    @property
    def last_line(self) -> str:
        """The last line that is not blank: of most programs that fail, the error."""
        lines = (line.strip() for line in reversed(self._tail))
        return next(filter(None, lines), "")[:SHOWN]

    async def read(self, stream: asyncio.StreamReader) -> None:
        """Read the output to its end."""
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        rest = ""
        while chunk := await stream.read(CHUNK):
            *lines, rest = (rest + decoder.decode(chunk)).split("\n")
            if len(rest) > LONGEST_LINE:
                lines, rest = [*lines, rest], ""
            await self._take(lines)
        rest += decoder.decode(b"", final=True)
        await self._take([rest] if rest else [])

    async def _take(self, lines: list[str]) -> None:
        shown = [_as_shown(line) for line in lines]
        for line in shown:
            self._n_lines += 1
            if self._metric is not None:
                self._metric.look_at(line, self._n_lines)
            self._tail.append(line)
            self._size += len(line) + 1
            while self._size - len(self._tail[0]) - 1 >= self._keep:
                self._size -= len(self._tail.popleft()) + 1
        if shown:
            await self._write(shown)


def _as_shown(line: str) -> str:
    """Return what a terminal shows of a line that was overwritten, as progress bars do."""
    return line.rstrip("\r").rsplit("\r", 1)[-1]

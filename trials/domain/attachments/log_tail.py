"""The end of a log: where a text belongs in it, and how much of it is kept."""

from dataclasses import dataclass

MAX_LOG_BYTES = 64 * 1024
_LONGEST_CUT = 4096  # bytes that are given up for a log that begins with a whole line


@dataclass(frozen=True)
class LogTail:
    """The end of a log of `size` bytes of UTF-8: at most `MAX_LOG_BYTES` of them."""

    text: str = ""
    size: int = 0

    @classmethod
    def of(cls, text: str) -> "LogTail":
        """Return the end of a log that consists of a text."""
        return cls().extended(text)

    def extended(self, text: str, offset: int | None = None) -> "LogTail":
        """Return the log with a text at an offset, by default at its end.

        What the log has already is not added again, so that a repeated request changes nothing.
        Behind a gap, only the new text is kept.
        """
        new = text.encode()
        start = self.size if offset is None else offset
        end = start + len(new)
        if end <= self.size:
            return self
        if start > self.size:
            return LogTail(_end_of(new), end)
        return LogTail(_end_of(self.text.encode() + new[self.size - start :]), end)


def _end_of(data: bytes) -> str:
    """Return the end of a text; if it is cut, from a line's beginning, if there is one nearby."""
    if len(data) > MAX_LOG_BYTES:
        data = data[-MAX_LOG_BYTES:]
        data = data[data.find(b"\n", 0, _LONGEST_CUT) + 1 :]
    return data.decode(errors="ignore")  # without the rest of a character that was cut

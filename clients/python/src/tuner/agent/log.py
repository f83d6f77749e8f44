"""Sends the end of a program's output to the log of its trial."""

import asyncio
import logging
from collections import deque
from collections.abc import Iterable

from tuner._async.trial import AsyncTrial
from tuner._wire.outages import is_outage
from tuner.errors import TunerError

_log = logging.getLogger("tuner")

MOST_BYTES = 65_536  # that wait to be sent: as many as the service keeps
LOG_SECONDS = 30.0  # between two requests
SECONDS_TO_SEND = 5.0


class LogSender:
    """The output of one program on its way to the service.

    No failure of it ends an evaluation: while the service is away, the output waits, and the oldest
    lines are left out; when it refuses the log, no more is sent.

    Args:
        trial: that is evaluated.
        pause: seconds between two requests while it runs.
    """

    def __init__(self, trial: AsyncTrial, pause: float = LOG_SECONDS) -> None:
        self._trial = trial
        self._pause = pause
        self._lines: deque[bytes] = deque()
        self._size = 0
        self._skipped = 0
        self._is_refused = False

    def add(self, lines: Iterable[str]) -> None:
        """Take lines of the output."""
        self._put(f"{line}\n".replace("\0", "\ufffd").encode() for line in lines)

    async def run(self) -> None:
        """Send what is new, again and again, until this task is cancelled."""
        while True:
            await asyncio.sleep(self._pause)
            await self.send()

    async def send(self) -> None:
        """Send what is new, once."""
        if not self._lines or self._is_refused:
            return
        lines, skipped = list(self._lines), self._skipped
        self._lines.clear()
        self._size = self._skipped = 0
        try:
            text = b"".join(lines).decode(errors="replace")
            await self._trial.log(text, skipped=skipped, seconds=SECONDS_TO_SEND)
        except Exception as error:  # noqa: BLE001 - whatever it is, the evaluation goes on
            self._is_refused = not (isinstance(error, TunerError) and is_outage(error))
            _log.warning("trial %s: its log is not stored: %s", self._trial.trial_id, error)
            self._put_back(lines, skipped)
        except BaseException:  # cancelled: what was sent is sent again, to the same place
            self._put_back(lines, skipped)
            raise

    def _put(self, lines: Iterable[bytes]) -> None:
        for line in lines:
            self._lines.append(line)
            self._size += len(line)
        while self._size > MOST_BYTES and len(self._lines) > 1:
            first = self._lines.popleft()
            self._size -= len(first)
            self._skipped += len(first)

    def _put_back(self, lines: list[bytes], skipped: int) -> None:
        newer, newer_skipped = list(self._lines), self._skipped
        if newer_skipped:  # so much came meanwhile that nothing of these would be kept
            self._skipped += skipped + sum(map(len, lines))
            return
        self._lines, self._size, self._skipped = deque(), 0, skipped
        self._put([*lines, *newer])

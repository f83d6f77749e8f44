"""What the agent prints: lines of the programs, log lines, and on a terminal a line of progress."""

import asyncio
import contextlib
import logging
import os
import queue
import shutil
import threading

OUT, ERR = 1, 2
MOST_WAITING = 100  # texts; then the programs wait
SECONDS_TO_CLOSE = 2.0


class Screen:
    """Standard output and standard error.

    A thread writes, so that a terminal that was stopped, or a pipe that nothing reads, delays the
    output of the programs, and neither heartbeats nor signals.
    """

    def __init__(self) -> None:
        self.is_terminal = os.isatty(ERR)
        self._waiting: queue.SimpleQueue[tuple[int, str] | None] = queue.SimpleQueue()
        self._status = ""
        self._thread = threading.Thread(target=self._run, name="tuner-screen", daemon=True)
        self._thread.start()

    async def write(self, lines: list[str]) -> None:
        """Write lines of a program to standard output."""
        while self._waiting.qsize() > MOST_WAITING:
            await asyncio.sleep(0.05)
        self._waiting.put((OUT, "".join(f"{line}\n" for line in lines)))

    def log(self, line: str) -> None:
        """Write a line to standard error."""
        self._waiting.put((ERR, f"{line}\n"))

    def show(self, status: str) -> None:
        """Show a status below all lines, in the place of the one before."""
        width = shutil.get_terminal_size().columns - 1
        self._waiting.put((ERR, status[:width]))

    def close(self) -> None:
        """Write what is left, if that is possible at once."""
        self._waiting.put(None)
        self._thread.join(SECONDS_TO_CLOSE)

    def _run(self) -> None:
        while (item := self._waiting.get()) is not None:
            target, text = item
            self._erase_status()
            _write(target, text)
            if not text.endswith("\n"):
                self._status = text
            elif self._waiting.empty():
                _write(ERR, self._status)
        self._erase_status()

    def _erase_status(self) -> None:
        if self._status:
            _write(ERR, "\r\x1b[K")


def _write(target: int, text: str) -> None:
    """Write without Python's buffers, whose lock a blocked thread would keep at the end."""
    data = text.encode(errors="replace")
    with contextlib.suppress(OSError):  # the reader is gone: the evaluations go on without it
        while data:
            data = data[os.write(target, data) :]


class ScreenHandler(logging.Handler):
    """Writes log lines to a screen."""

    def __init__(self, screen: Screen) -> None:
        super().__init__()
        self._screen = screen
        self.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        self._screen.log(self.format(record))


def log_to(screen: Screen) -> None:
    """Write the log of the client to a screen, and of other libraries their warnings."""
    logging.basicConfig(level=logging.WARNING, handlers=[ScreenHandler(screen)])
    logging.getLogger("tuner").setLevel(logging.INFO)

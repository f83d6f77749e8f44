"""The background commands of `serve`, which gunicorn's master keeps running.

Each is a process of its own, so that it takes no thread, no database connection and no interpreter
lock from requests. In production they are services of their own: the image's command starts none.
"""

import os
import subprocess
import sys
from dataclasses import dataclass
from time import monotonic
from typing import Any

from gunicorn.arbiter import Arbiter

from tuner_project import extensions

FIRST_PAUSE = 3.0  # seconds, in which the web workers start
RESTART_PAUSE = 10.0  # seconds between two starts of a command that ends again and again
SECONDS_TO_STOP = 20.0  # longer than one of them waits for a receiver


@dataclass
class _Background:
    """A command with its arguments, its process, and when it may be started (again)."""

    arguments: list[str]
    start_at: float
    process: "subprocess.Popen[bytes] | None" = None


class SupervisingArbiter(Arbiter):
    """gunicorn's master, which also keeps the background commands running."""

    def __init__(self, app: Any) -> None:
        super().__init__(app)
        self._background = [
            _Background([name, f"--every={every:g}"], monotonic() + FIRST_PAUSE)
            for name, every in extensions.BACKGROUND_COMMANDS
        ]

    def manage_workers(self) -> None:
        """Keep the workers running, and the background commands; called each second."""
        super().manage_workers()
        for each in self._background:
            self._keep_running(each)

    def _keep_running(self, background: _Background) -> None:
        process = background.process
        if process is not None:
            # gunicorn waits for all children, so that the exit code may be lost.
            if process.poll() is None:
                return
            self.log.error(
                "Background command %s (pid:%s) has ended: it is started again.",
                background.arguments[0],
                process.pid,
            )
            background.process = None
        if monotonic() >= background.start_at:
            background.start_at = monotonic() + RESTART_PAUSE
            command = [sys.executable, sys.argv[0], *background.arguments]
            background.process = subprocess.Popen(  # noqa: S603  (our own commands)
                [*command, f"--parent={os.getpid()}"], stdin=subprocess.DEVNULL
            )

    def stop(self, graceful: bool = True) -> None:
        """Stop the background commands and the workers at the same time."""
        stopping = [each.process for each in self._background if each.process is not None]
        for each in self._background:
            each.process, each.start_at = None, float("inf")
        for process in stopping:
            process.terminate()
        super().stop(graceful)
        end = monotonic() + SECONDS_TO_STOP
        for process in stopping:
            try:
                process.wait(max(0.0, end - monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

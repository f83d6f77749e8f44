"""A running program: started in a process group of its own, stopped as a whole."""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from tuner.agent import launcher


class Child:
    """A program that runs below `launcher.py`.

    Attributes:
        output: its standard output and standard error, in one.
        ended: a task that ends with the program, with its exit code, or minus the number of the
            signal that ended it.
    """

    def __init__(
        self,
        process: "subprocess.Popen[bytes]",
        lifeline: socket.socket,
        output: asyncio.StreamReader,
        pipe: asyncio.BaseTransport,
    ) -> None:
        self._process = process
        self._lifeline = lifeline
        self._pipe = pipe
        self.output = output
        self.ended = asyncio.create_task(self._wait())

    @classmethod
    async def start(cls, command: Sequence[str], environment: Mapping[str, str]) -> "Child":
        """Start a program."""
        lifeline, other_end = socket.socketpair()
        lifeline.setblocking(False)
        with other_end:
            process = subprocess.Popen(  # noqa: S603 - a list of arguments, never a shell
                [
                    *(sys.executable, "-I", "-S", str(Path(launcher.__file__))),
                    *(str(other_end.fileno()), *command),
                ],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                pass_fds=[other_end.fileno()],
            )
        output = asyncio.StreamReader()
        pipe, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(output), process.stdout
        )
        return cls(process, lifeline, output, pipe)

    async def stop(self, number: signal.Signals, grace: float) -> None:
        """Send a signal to the program's processes; kill what is left of them after a while."""
        self.send_signal(number)
        await asyncio.wait({self.ended}, timeout=grace)
        self.send_signal(signal.SIGKILL)
        await asyncio.wait({self.ended})

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal to the program's processes, unless it has ended."""
        if self._process.returncode is None:
            self._signal_group(number)

    def close(self) -> None:
        """Kill what still runs, and close the output."""
        self.send_signal(signal.SIGKILL)
        self._pipe.close()

    async def _wait(self) -> int:
        """Wait for the status that the launcher sends, or for the end of the launcher itself."""
        with self._lifeline:
            status = await asyncio.get_running_loop().sock_recv(self._lifeline, 16)
        self._signal_group(signal.SIGKILL)  # before `wait`: until then no other group has its name
        code = self._process.wait()
        return os.waitstatus_to_exitcode(int(status)) if status else code

    def _signal_group(self, number: signal.Signals) -> None:
        # macOS refuses to signal a group of zombies, instead of finding none.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)

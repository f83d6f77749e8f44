"""`tuner agent` as a process, and the programs that it runs."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil

from tests.support import ROOT
from tests.support.service import wait_until
from tuner.cli.main import main

SOURCES = ROOT / "clients/python/src"
SECONDS = 60
RESULT = """echo '{"values": 0.5}' > "$TUNER_RESULT"\n"""


def run_tuner(*arguments: str) -> int:
    """Run the command line in this process; returns the exit code."""
    try:
        return main(arguments)
    except SystemExit as exit_:  # of argparse
        return int(exit_.code or 0)


class AgentProcess:
    """A running agent, whose output goes to files of a folder.

    Attributes:
        folder: also the working directory, where programs leave marks.
    """

    def __init__(
        self,
        folder: Path,
        study: str,
        command: Sequence[str],
        options: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        stdout: int | None = None,
    ) -> None:
        self.folder = folder
        self._out, self._err = folder / "stdout", folder / "stderr"
        with self._out.open("a") as out, self._err.open("a") as err:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tuner.cli", "agent", study, *options, "--", *command],
                cwd=folder,
                env={**os.environ, "PYTHONPATH": str(SOURCES), **(environment or {})},
                stdin=subprocess.DEVNULL, stdout=stdout or out, stderr=err,
            )  # fmt: skip

    @property
    def out(self) -> str:
        return self._out.read_text()

    @property
    def log(self) -> str:
        return self._err.read_text()

    def wait(self) -> int:
        """Wait for its end; returns the exit code."""
        return self.process.wait(SECONDS)

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def wait_until(self, condition: Callable[[], bool], what: str) -> None:
        wait_until(lambda: self.process.poll() is not None or condition(), what, self._err)
        assert self.process.poll() is None, self.log

    def wait_for(self, *marks: str) -> list[psutil.Process]:
        """Wait until programs have left these files; returns the processes that they name."""

        def are_there() -> bool:
            return all((self.folder / mark).exists() for mark in marks)

        self.wait_until(are_there, f"marked by {marks}")
        return [process for mark in marks for process in self.processes_of(mark)]

    def processes_of(self, mark: str) -> list[psutil.Process]:
        """Return the processes whose ids a program has written to a file, unless they are gone."""
        pids = [int(pid) for pid in (self.folder / mark).read_text().split()]
        return [psutil.Process(pid) for pid in pids if psutil.pid_exists(pid)]

    def end(self) -> None:
        """Kill it, should the test have failed before its end."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()


@contextmanager
def running_agent(*arguments: object, **more: object) -> Iterator[AgentProcess]:
    agent = AgentProcess(*arguments, **more)  # type: ignore[arg-type]
    try:
        yield agent
    finally:
        agent.end()


def shell(script: str) -> list[str]:
    """The command of a shell script, in which braces are no placeholders."""
    return ["sh", "-euc", script.replace("{", "{{").replace("}", "}}")]


def wait_for_end(processes: Sequence[psutil.Process]) -> None:
    """Wait until processes have ended, or are zombies that their parent has not collected."""

    def have_ended() -> bool:
        return not any(map(_is_alive, processes))

    wait_until(have_ended, f"ended: {processes}")


def _is_alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False

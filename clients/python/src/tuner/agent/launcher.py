"""Run a command so that nothing of it outlives its end, or the end of the agent.

The agent starts this file as a script, in a session of its own:

    python -I -S launcher.py FD COMMAND…

FD is a socket, of which the agent has the other end. When the command ends, its status is sent, and
what it has left running is killed. When the agent ends, however it does, the socket ends, and the
whole process group is killed. Should this process be killed, too, the command follows it
(PR_SET_PDEATHSIG, on Linux).

It stands between the agent and the command because a death signal reaches one process, and not
those that a shell script has started; and because it depends on the thread that forked, which here
lives as long as the process.
"""

import os
import signal
import sys
import threading
from typing import NoReturn

PR_SET_PDEATHSIG = 1
STOPPING = {signal.SIGTERM, signal.SIGINT}  # the agent sends them to the group: the command's part
IGNORED_BY_PYTHON = {signal.SIGPIPE, signal.SIGXFSZ}


def launch(lifeline: int, command: list[str]) -> None:
    """Run the command, send its status, and end the process group."""
    os.set_inheritable(lifeline, False)
    launcher = os.getpid()
    signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)  # one that comes now is the command's
    child = os.fork()
    if child == 0:
        _become(command, launcher)
    for number in signal.sigpending() & STOPPING:
        os.kill(child, number)
    for number in STOPPING:
        signal.signal(number, signal.SIG_IGN)
    threading.Thread(target=_end_with_agent, args=[lifeline], daemon=True).start()
    try:
        _, status = os.waitpid(child, 0)
        os.write(lifeline, str(status).encode())
    finally:
        os.killpg(0, signal.SIGKILL)


def _become(command: list[str], launcher: int) -> NoReturn:
    """Replace this forked process by the command."""
    try:
        _die_with_parent()
        if os.getppid() != launcher:  # it died before the call above
            os._exit(1)
        for number in STOPPING | IGNORED_BY_PYTHON:
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPPING)
        os.execvp(command[0], command)  # noqa: S606 - never a shell
    except OSError as error:
        os.write(2, f"cannot run {command[0]}: {error.strerror}\n".encode())
    finally:
        os._exit(127)


def _die_with_parent() -> None:
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL))


def _end_with_agent(lifeline: int) -> None:
    os.read(lifeline, 1)  # the agent sends nothing
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    launch(int(sys.argv[1]), sys.argv[2:])

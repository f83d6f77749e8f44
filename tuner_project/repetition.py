"""What commands with `--every` have in common: when they stop."""

import os
import signal
import threading
import time

from django.core.management.base import CommandParser

LOOKS_EVERY = 1.0  # seconds between two looks for the parent


def add_parent_argument(parser: CommandParser) -> None:
    """Add the option with which `serve` starts its background commands."""
    parser.add_argument(
        "--parent",
        type=int,
        metavar="PID",
        help="With --every: end with this process, which has started the command.",
    )


def stop_event(parent: int | None) -> threading.Event:
    """Return an event that SIGINT, SIGTERM, and the end of the parent process set."""
    stopping = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopping.set())
    if parent is not None:
        threading.Thread(target=_watch, args=(parent, stopping), name="parent", daemon=True).start()
    return stopping


def _watch(parent: int, stopping: threading.Event) -> None:
    """Set the event once the process is orphaned, as after a kill of its parent."""
    while os.getppid() == parent:
        time.sleep(LOOKS_EVERY)
    stopping.set()

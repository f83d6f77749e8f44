"""SIGTERM, with which schedulers end a process, and Ctrl-C: trials are given back first."""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

SECONDS_TO_END = 10.0  # for the last requests: schedulers kill a process some time after SIGTERM

_n_blocks = 0  # of `sigterm_raises`, in the main thread


@contextmanager
def sigterm_raises() -> Iterator[None]:
    """Let SIGTERM raise `SystemExit(143)` until the last block of the process has ended.

    A handler that the program has installed stays, and so does the default outside the main thread,
    where Python allows none.
    """
    global _n_blocks
    if not (has_default_sigterm() or (_n_blocks and _is_main_thread())):
        yield
        return
    if _n_blocks == 0:
        signal.signal(signal.SIGTERM, _exit)
    _n_blocks += 1
    try:
        yield
    finally:
        _n_blocks -= 1
        if _n_blocks == 0 and _is_main_thread():
            signal.signal(signal.SIGTERM, signal.SIG_DFL)


def has_default_sigterm() -> bool:
    """Tell whether SIGTERM can be handled here, and no handler of the program does."""
    is_default = signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    return is_default and _is_main_thread() and sys.platform != "win32"


@dataclass
class HeldSignal:
    """What has arrived in a block of `held_signals`."""

    number: int | None = None
    handlers: dict[int, Any] = field(default_factory=dict)

    def deliver(self) -> None:
        """Do what the signal would have done, if one has arrived."""
        if self.number is not None:
            self.handlers[self.number](self.number, None)


@contextmanager
def held_signals() -> Iterator[HeldSignal]:
    """Hold SIGTERM and SIGINT back in the block, where they would raise an exception.

    A second one raises it at once, and so does the time that an end may take.
    """
    held = HeldSignal()
    if not _is_main_thread():
        yield held
        return

    def hold(number: int, frame: FrameType | None) -> None:
        if held.number is not None:
            held.handlers[number](number, frame)
        held.number = number
        # To the main thread: a signal of another one would not interrupt a wait of it.
        again = threading.Timer(SECONDS_TO_END, signal.pthread_kill, args=[main, number])
        again.daemon = True
        again.start()
        timers.append(again)

    main = threading.get_ident()
    timers: list[threading.Timer] = []
    raising = {signal.SIGTERM: _exit, signal.SIGINT: signal.default_int_handler}
    for each, handler in raising.items():
        if signal.getsignal(each) is handler:
            held.handlers[each] = handler
            signal.signal(each, hold)
    try:
        yield held
    finally:
        for number, handler in held.handlers.items():
            signal.signal(number, handler)
        for timer in timers:
            timer.cancel()


def _is_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


def _exit(number: int, frame: FrameType | None) -> None:
    sys.exit(128 + number)


def _forget_in_child() -> None:
    """Let a forked child end as if there were no block: the trials are its parent's."""
    global _n_blocks
    _n_blocks = 0
    if signal.getsignal(signal.SIGTERM) is _exit:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_in_child)

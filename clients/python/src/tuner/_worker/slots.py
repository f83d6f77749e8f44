"""Slots: the places of a worker, each of which evaluates one trial, or one batch, at a time.

The service returns to a `worker_id` the trials that it holds, so each slot needs one of its own,
and must find it again after a restart. A slot is the lowest number that no living process of this
machine has taken for the same worker and study: a locked byte of a file in the temporary folder,
since the system releases the lock of a process that dies, however it dies.
"""

import hashlib
import os
import sys
import tempfile
import threading
from pathlib import Path

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl


class Slot:
    """A slot that this process has taken; `worker_id` is its name in the API."""

    def __init__(self, slots: "_Slots", number: int, worker_id: str) -> None:
        self.worker_id = worker_id
        self._slots = slots
        self._number = number
        self._process = os.getpid()

    def release(self) -> None:
        """Let others take the slot. Does nothing in a forked child: the slot is its parent's."""
        if self._process == os.getpid():
            self._slots.release(self._number)


class Holders:
    """The trials that were asked for together: the last one to finish releases their slot.

    Until then the slot stays taken, also by trials that this process has passed on to another one.
    """

    def __init__(self, slot: Slot, n: int) -> None:
        self._slot = slot
        self._n = n

    def leave(self) -> None:
        """Note that a trial has finished."""
        with _mutex:
            self._n -= 1
        if self._n == 0:
            self._slot.release()


class _Slots:
    """The slots of one worker and study that this process has taken."""

    def __init__(self, file: Path) -> None:
        self._descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
        self._taken: set[int] = set()
        self._lowest = 0  # no lower one is free in this process

    def take(self) -> int:
        """Take the lowest free slot and return its number."""
        number = self._lowest
        while number in self._taken or not _try_lock(self._descriptor, number):
            number += 1
        self._taken.add(number)
        self._lowest = number
        return number

    def release(self, number: int) -> None:
        """Release a slot; does nothing a second time."""
        with _mutex:
            if number in self._taken:
                _unlock(self._descriptor, number)
                self._taken.remove(number)
                self._lowest = min(self._lowest, number)

    def forget(self) -> None:
        """Close the file in a forked child, whose parent keeps the locks."""
        os.close(self._descriptor)


_mutex = threading.RLock()
_slots_of: dict[Path, _Slots] = {}


def take_slot(worker: str, scope: str) -> Slot:
    """Take the lowest free slot of a worker.

    Args:
        worker: the worker's name, which is that of its slot 0; the others add their number.
        scope: what the trials belong to: the URL of the study.
    """
    file = _folder() / hashlib.sha256(f"{scope}\n{worker}".encode()).hexdigest()[:32]
    with _mutex:
        if file not in _slots_of:
            _slots_of[file] = _Slots(file)
        slots = _slots_of[file]
        number = slots.take()
    return Slot(slots, number, f"{worker}.{number}" if number else worker)


def _folder() -> Path:
    user = os.getuid() if hasattr(os, "getuid") else "user"
    folder = Path(tempfile.gettempdir()) / f"tuner-slots-{user}"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


# Locks of bytes belong to a process: a forked child has none, and its end releases none.


def _try_lock(descriptor: int, number: int) -> bool:
    """Lock a byte of a file, unless another process has."""
    try:
        if sys.platform == "win32":
            os.lseek(descriptor, number, os.SEEK_SET)
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, number)
    except OSError:
        return False
    return True


def _unlock(descriptor: int, number: int) -> None:
    if sys.platform == "win32":
        os.lseek(descriptor, number, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_UNLCK, 1)
    else:
        fcntl.lockf(descriptor, fcntl.LOCK_UN, 1, number)


def _forget_in_child() -> None:
    global _mutex
    _mutex = threading.RLock()  # a thread that does not exist in the child may have held it
    for slots in _slots_of.values():
        slots.forget()
    _slots_of.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_in_child)

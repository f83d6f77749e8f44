"""Slots: the places of a worker, each of which evaluates one trial, or one batch, at a time.

The service returns to a `worker_id` the trials that it holds, so each slot needs one of its own,
and must find it again after a restart. A slot is the lowest number that no living process of this
machine has taken for the same worker and study: a locked byte of a file in the temporary folder,
since the system releases the lock of a process that dies, however it dies.
"""

import contextlib
import errno
import hashlib
import logging
import os
import sys
import tempfile
import threading
from pathlib import Path

from tuner._worker.identity import is_random

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

_log = logging.getLogger("tuner")


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
    """The slots of one worker and study that this process has taken.

    Args:
        file: whose bytes are locked; None: the name is of this process alone, or no file can be
            locked here, so that only the slots of this process are told apart.
    """

    def __init__(self, file: Path | None) -> None:
        self._file = file
        self._descriptor: int | None = None
        self._taken: set[int] = set()

    def take(self) -> int:
        """Take the lowest free slot and return its number."""
        if self._descriptor is None and self._file is not None:
            self._descriptor = _open(self._file)
        number = 0
        while number in self._taken or not _try_lock(self._descriptor, number):
            number += 1
        self._taken.add(number)
        return number

    def release(self, number: int) -> None:
        """Release a slot; does nothing a second time."""
        with _mutex:
            if number in self._taken:
                self._taken.remove(number)
                _unlock(self._descriptor, number)
                if not self._taken:
                    self.close()

    def close(self) -> None:
        """Close the file; a forked child does it, too: its parent keeps the locks."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)


_mutex = threading.RLock()
_slots_of: dict[str, _Slots] = {}


def take_slot(worker: str, scope: str) -> Slot:
    """Take the lowest free slot of a worker.

    Args:
        worker: the worker's name, which is that of its slot 0; the others add their number.
        scope: what the trials belong to: the URL of the study.
    """
    key = hashlib.sha256(f"{scope}\n{worker}".encode()).hexdigest()[:32]
    file = None if is_random(worker) else _find_file(key)
    with _mutex:
        slots = _slots_of.setdefault(str(file or key), _Slots(file))
        number = slots.take()
    return Slot(slots, number, f"{worker}.{number}" if number else worker)


def _find_file(key: str) -> Path | None:
    """Return the file of a worker and study, or None where no temporary folder can be written."""
    user = os.getuid() if hasattr(os, "getuid") else "user"
    try:
        folder = Path(tempfile.gettempdir()) / f"tuner-slots-{user}"
        folder.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        _log.warning("workers of one name cannot be told apart on this machine: %s", error)
        return None
    return folder / key


def _open(file: Path) -> int | None:
    try:
        return os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        _log.warning("workers of one name cannot be told apart on this machine: %s", error)
        return None


# Locks of bytes belong to a process: a forked child has none, and its end releases none.


def _try_lock(descriptor: int | None, number: int) -> bool:
    """Lock a byte of a file, unless another process has; without locks, every slot is free."""
    if descriptor is None:
        return True
    try:
        if sys.platform == "win32":
            os.lseek(descriptor, number, os.SEEK_SET)
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, number)
    except OSError as error:
        return error.errno not in {errno.EACCES, errno.EAGAIN, errno.EDEADLK}
    return True


def _unlock(descriptor: int | None, number: int) -> None:
    if descriptor is None:
        return
    with contextlib.suppress(OSError):  # a file system without locks
        if sys.platform == "win32":
            os.lseek(descriptor, number, os.SEEK_SET)
            msvcrt.locking(descriptor, msvcrt.LK_UNLCK, 1)
        else:
            fcntl.lockf(descriptor, fcntl.LOCK_UN, 1, number)


def _forget_in_child() -> None:
    global _mutex
    _mutex = threading.RLock()  # a thread that does not exist in the child may have held it
    for slots in _slots_of.values():
        slots.close()
    _slots_of.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_in_child)

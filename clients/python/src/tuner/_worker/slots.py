"""Slots: the places of a worker, each of which evaluates one trial, or one batch, at a time.

The service returns to a `worker_id` the trials that it holds, so each slot needs one of its own,
and must find it again after a restart. A slot is the lowest number that no living process of this
machine has taken for the same worker and study: a locked file in the temporary folder, since the
kernel releases the lock of a process that dies, however it dies.
"""

import hashlib
import os
import sys
import tempfile
import weakref
from pathlib import Path
from types import TracebackType

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl


class Slot:
    """A slot that this process has taken; `worker_id` is its name in the API."""

    def __init__(self, worker_id: str, file: Path, lock: int) -> None:
        self.worker_id = worker_id
        self._file = file
        self._lock: int | None = lock
        _taken.add(self)

    def release(self) -> None:
        """Let others take the slot. Does nothing a second time."""
        if self._lock is not None:
            self._file.unlink(missing_ok=True)
        self.close()

    def close(self) -> None:
        """Close the file, without a word to others that have it open: a forked child's part."""
        lock, self._lock = self._lock, None
        _taken.discard(self)
        if lock is not None:
            os.close(lock)

    def __enter__(self) -> "Slot":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.release()

    def __del__(self) -> None:
        self.release()


_taken: "weakref.WeakSet[Slot]" = weakref.WeakSet()


def take_slot(worker: str, scope: str) -> Slot:
    """Take the lowest free slot of a worker.

    Args:
        worker: the worker's name.
        scope: what the trials belong to: the URL of the study.
    """
    number = 0
    while True:
        name = worker if number == 0 else f"{worker}.{number}"
        file = _folder() / hashlib.sha256(f"{scope}\n{name}".encode()).hexdigest()[:32]
        lock = _try_lock(file)
        if lock is not None:
            return Slot(name, file, lock)
        number += 1


def _try_lock(file: Path) -> int | None:
    """Return the descriptor of a file that this call has locked; None if it is locked already."""
    while True:
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o600)
        try:
            _lock(descriptor)
        except OSError:
            os.close(descriptor)
            return None
        if _is_there(file, descriptor):
            return descriptor
        os.close(descriptor)  # its holder deleted it between the opening and the lock


def _lock(descriptor: int) -> None:
    """Lock an open file, without waiting; raises OSError if another one has locked it."""
    if sys.platform == "win32":
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
    else:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _is_there(file: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(file.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _folder() -> Path:
    user = os.getuid() if hasattr(os, "getuid") else "user"
    folder = Path(tempfile.gettempdir()) / f"tuner-slots-{user}"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def _release_in_child() -> None:
    """Close the descriptors that a forked child got: the slots are its parent's."""
    for slot in list(_taken):
        slot.close()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_release_in_child)

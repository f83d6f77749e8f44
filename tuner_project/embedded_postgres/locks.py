"""File locks (flock). The kernel releases a lock when its last holder exits or is killed."""

import fcntl
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SHARED = fcntl.LOCK_SH
EXCLUSIVE = fcntl.LOCK_EX
POLL_SECONDS = 0.05

# A forked child inherits its parent's locks and would keep them held, so it closes these
# descriptors.
_private: set[int] = set()
_fork_guard = threading.Lock()


def open_file(path: Path, access: int = os.O_RDWR) -> int:
    """Open a file, or create it with its folder's owner as its owner, also as root."""
    flags = access | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        descriptor = os.open(path, flags | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return os.open(path, flags)
    if os.geteuid() == 0:
        owner = path.parent.stat()
        os.fchown(descriptor, owner.st_uid, owner.st_gid)
    return descriptor


@contextmanager
def private_lock_file(path: Path) -> Iterator[int]:
    """Open a lock file for the block; children forked during the block close it."""
    with _fork_guard:
        descriptor = open_file(path)
        _private.add(descriptor)
    try:
        yield descriptor
    finally:
        with _fork_guard:
            _private.discard(descriptor)
            os.close(descriptor)


def try_lock(descriptor: int, kind: int) -> bool:
    """Acquire or convert a lock without waiting; return whether that succeeded."""
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def wait_for_lock(descriptor: int, kind: int, seconds: float) -> bool:
    """Wait up to `seconds` to acquire a lock; return whether that succeeded."""
    deadline = time.monotonic() + seconds
    while not try_lock(descriptor, kind):
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True


def unlock(descriptor: int) -> None:
    """Release a lock. Closing the descriptor would leave the lock to forked children."""
    fcntl.flock(descriptor, fcntl.LOCK_UN)


def _after_fork_in_child() -> None:
    for descriptor in _private:
        os.close(descriptor)
    _private.clear()
    _fork_guard.release()


os.register_at_fork(
    before=_fork_guard.acquire,
    after_in_parent=_fork_guard.release,
    after_in_child=_after_fork_in_child,
)

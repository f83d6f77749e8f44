"""One folder for the metrics of all processes of an instance, whichever of them is asked.

Called by gunicorn's master. A worker has a slot, 0, 1 and so on, and its files are the slot's: a
successor goes on where it ended, so that no sum falls back, and the files are as many as ever.
"""

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

FOLDER = "PROMETHEUS_MULTIPROC_DIR"  # prometheus_client's own variable
_PREFIX = "tuner-metrics-"
_MEMORY = Path("/dev/shm")  # noqa: S108  (the folder in it is private)


class _Sharing:
    folder: str | None = None
    slot: int | None = None  # of this process
    workers: dict[int, Any] = {}  # by slot; the master's


_sharing = _Sharing()


def folder() -> str | None:
    """Where the metrics of this process are shared; None: they are its own."""
    return None if _sharing.slot is None else _sharing.folder


def slot() -> int | None:
    """Which of the instance's processes this is; None: the only one."""
    return _sharing.slot


def begin() -> None:
    """Make an empty folder, and remove those of masters that were killed."""
    in_memory = _MEMORY.is_dir() and os.access(_MEMORY, os.W_OK)
    place = _MEMORY if in_memory else Path(tempfile.gettempdir())
    for left in place.glob(f"{_PREFIX}*"):
        if left.stat().st_uid == os.getuid() and not _is_running(left):
            shutil.rmtree(left, ignore_errors=True)
    _sharing.folder = tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-", dir=place)
    os.environ[FOLDER] = _sharing.folder


def enter(worker: Any) -> None:
    """Give a worker that is about to be forked the first slot that is free."""
    _sharing.slot = next(n for n in range(len(_sharing.workers) + 1) if n not in _sharing.workers)
    _sharing.workers[_sharing.slot] = worker


def leave(worker: Any) -> None:
    """A worker has ended: what it held is gone, what it counted stays."""
    from prometheus_client.multiprocess import (
        mark_process_dead,
    )  # looks for the folder when imported

    for number in [n for n, each in _sharing.workers.items() if each is worker]:
        del _sharing.workers[number]
        mark_process_dead(number, _sharing.folder)


def end() -> None:
    """Remove the folder."""
    if _sharing.folder is not None:
        shutil.rmtree(_sharing.folder, ignore_errors=True)


def _is_running(folder: Path) -> bool:
    """Whether there is a process of the number in a folder's name."""
    number = folder.name.removeprefix(_PREFIX).split("-")[0]
    try:
        os.kill(int(number), 0)
    except (ValueError, ProcessLookupError):
        return False
    except PermissionError:
        return True
    return True

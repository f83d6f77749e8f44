"""The folder in which all processes of an instance keep their metrics.

prometheus_client's own multiprocess mode, with one difference: its files are named by a slot 0, 1
and so on instead of the process id. A worker that replaces another one takes over its slot and its
files. With process ids, each restart leaves two files and adds values of the label `pid`: with 2
workers, 20 restarts raised the number of files from 6 to 46, and the time of a scrape from 18 ms to
44 ms.

gunicorn's master calls `begin`, `enter`, `leave` and `end`.
"""

import os
import shutil
import tempfile
from itertools import count
from pathlib import Path
from typing import Any

FOLDER = "PROMETHEUS_MULTIPROC_DIR"  # prometheus_client's own variable
_PREFIX = "tuner-metrics-"
_MEMORY = Path("/dev/shm")  # noqa: S108  (the folder in it is private)


class _Sharing:
    folder: str | None = None
    slot: int | None = None  # of this process


_sharing = _Sharing()


def folder() -> str | None:
    """Return the shared folder with this process's metrics, or None if it has no slot."""
    return None if _sharing.slot is None else _sharing.folder


def slot() -> int | None:
    """Return the slot of this process, or None outside of gunicorn."""
    return _sharing.slot


def begin() -> None:
    """Create an empty folder, and remove those of masters that were killed."""
    in_memory = _MEMORY.is_dir() and os.access(_MEMORY, os.W_OK)
    place = _MEMORY if in_memory else Path(tempfile.gettempdir())
    for left in place.glob(f"{_PREFIX}*"):
        if left.stat().st_uid == os.getuid() and not _is_running(left):
            shutil.rmtree(left, ignore_errors=True)
    _sharing.folder = tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-", dir=place)
    os.environ[FOLDER] = _sharing.folder


def enter(server: Any, worker: Any) -> None:
    """Assign the first free slot to a worker that is about to be forked."""
    taken = {each.metrics_slot for each in server.WORKERS.values()}
    worker.metrics_slot = _sharing.slot = next(n for n in count() if n not in taken)


def leave(worker: Any) -> None:
    """Remove the gauges of a worker that has ended; its counters and histograms stay."""
    # Imported here because prometheus_client reads the folder's variable at import.
    from prometheus_client.multiprocess import mark_process_dead

    mark_process_dead(worker.metrics_slot, _sharing.folder)


def end() -> None:
    """Remove the folder."""
    if _sharing.folder is not None:
        shutil.rmtree(_sharing.folder, ignore_errors=True)


def _is_running(folder: Path) -> bool:
    """Return whether the process whose id is in a folder's name is running."""
    try:
        os.kill(int(folder.name.removeprefix(_PREFIX).split("-")[0]), 0)
    except (ValueError, ProcessLookupError):
        return False
    except PermissionError:
        pass
    return True

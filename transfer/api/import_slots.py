"""The limit of imports that run at the same time in a process."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings

from tuner_project.errors import DomainError

_lock = threading.Lock()
_n_running = 0


class TooManyImports(DomainError):
    """The process runs as many imports as it may: try again later."""

    status = 503
    code = "too_many_imports"
    wait = 5


@contextmanager
def import_slot() -> Iterator[None]:
    """Count an import within the block, from before its body is received.

    Raises:
        TooManyImports: MAX_PARALLEL_IMPORTS are running in this process.
    """
    global _n_running
    with _lock:
        if _n_running >= settings.MAX_PARALLEL_IMPORTS:
            raise TooManyImports(
                f"{_n_running} imports are running: nothing was stored; try again later"
            )
        _n_running += 1
    try:
        yield
    finally:
        with _lock:
            _n_running -= 1

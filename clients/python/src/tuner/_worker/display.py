"""The progress of a study while `optimize` runs: a bar on a terminal, log lines elsewhere."""

import logging
import sys
import time
from types import TracebackType
from typing import Any

from tuner._worker.progress import describe_progress
from tuner.answers import Progress

_log = logging.getLogger("tuner")

SECONDS = 2.0  # between two requests for the progress


class Display:
    """Shows the progress of the whole study, whatever other workers contribute.

    Args:
        name: of the study.
        is_bar: True for a bar (which needs tqdm), False for log lines; None: a bar if standard
            error is a terminal and tqdm is installed.
    """

    def __init__(self, name: str, is_bar: bool | None) -> None:
        self._name = name
        self._is_bar = is_bar
        self._bar: Any = None
        self._next = 0.0
        self._handler: logging.Handler | None = None  # where the program has configured none

    def is_due(self) -> bool:
        """Tell whether it is time to show the progress again; True once each time."""
        now = time.monotonic()
        if now < self._next or not (self._bar is not None or _log.isEnabledFor(logging.INFO)):
            return False
        self._next = now + SECONDS
        return True

    def show(self, progress: Progress) -> None:
        """Show the progress."""
        if self._bar is None:
            _log.info("%s", describe_progress(progress))
            return
        self._bar.total = progress.max_trials
        self._bar.n = progress.trial_counts["COMPLETE"] + progress.trial_counts["PRUNED"]
        self._bar.set_postfix_str(f"best {progress.best_value!r}")

    def __enter__(self) -> "Display":
        if self._is_bar or (self._is_bar is None and _can_bar()):
            self._bar = _make_bar(self._name)
        elif not _log.hasHandlers() and _log.level == logging.NOTSET:
            self._handler = logging.StreamHandler()
            self._handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
            _log.addHandler(self._handler)
            _log.setLevel(logging.INFO)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.close()
        if self._handler is not None:
            _log.removeHandler(self._handler)
            _log.setLevel(logging.NOTSET)


def _can_bar() -> bool:
    if not sys.stderr.isatty():
        return False
    try:
        import tqdm  # noqa: F401
    except ImportError:
        return False
    return True


def _make_bar(name: str) -> Any:
    from tqdm.auto import tqdm

    return tqdm(desc=name, unit="trial")

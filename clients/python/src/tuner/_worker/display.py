"""The progress of a study while `optimize` runs: a bar on a terminal, log lines elsewhere."""

import logging
import sys
import time
from types import TracebackType
from typing import Any

from tuner.answers import FrozenTrial, Progress

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
        self._bar: Any = _make_bar(name) if is_bar or (is_bar is None and _can_bar()) else None
        self._next = 0.0

    def is_due(self) -> bool:
        """Tell whether it is time to show the progress again; True once each time."""
        now = time.monotonic()
        if now < self._next or not (self._bar is not None or _log.isEnabledFor(logging.INFO)):
            return False
        self._next = now + SECONDS
        return True

    def show(self, progress: Progress, trial: FrozenTrial) -> None:
        """Show the progress, after a trial of this process."""
        best = f"best {progress.best_value!r}"
        if self._bar is None:
            of = "" if progress.max_trials is None else f" of {progress.max_trials}"
            _log.info(
                'study "%s": %s%s trials done, %s; trial %s is %s',
                self._name, progress.n_done, of, best, trial.trial_id, trial.state,
            )  # fmt: skip
            return
        self._bar.total = progress.max_trials
        self._bar.n = progress.n_done
        self._bar.set_postfix_str(best)

    def __enter__(self) -> "Display":
        if self._bar is None:
            _show_log_lines()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.close()


def _show_log_lines() -> None:
    """Write the client's log to standard error, unless the program has configured logging."""
    if not _log.hasHandlers():
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
        _log.addHandler(handler)
        _log.setLevel(logging.INFO)


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

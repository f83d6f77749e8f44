"""What a worker attaches to its trial: a note, links, and a log."""

from collections.abc import Mapping
from typing import Any

from tuner._sync.held_trial import HeldTrial
from tuner._wire.requests import Request


class AnnotatedTrial(HeldTrial):
    """What `Trial` builds on."""

    _log_size: int | None = None  # in bytes, as the service counts; None until it is known

    def note(self, text: str) -> None:
        """Replace the trial's note, which people read on its page; "" removes it."""
        self._annotate({"note": text})

    def link(self, name: str, url: str | None) -> None:
        """Add a link, http or https, such as to a run in an experiment tracker; None removes it."""
        self._annotate({"links": {name: url}})

    def log(self, text: str, *, skipped: int = 0, seconds: float | None = None) -> None:
        """Append to the trial's log, of which the service keeps the last 64 KiB.

        A worker that goes on with its trial after a restart goes on with its log.

        Args:
            text: what was printed since the last time.
            skipped: how many bytes of UTF-8 before it are left out.
            seconds: in which it must be answered; by default those of the transport.

        Raises:
            ApiError, ConnectionFailed: it may not be stored.
        """
        if self._log_size is None:
            self._log_size = self._read_log_size(seconds) if self.is_reoffered else 0
        query = {"offset": self._log_size + skipped}
        self._log_size = self._write_log(text, query, seconds)

    def set_log(self, text: str) -> None:
        """Replace the trial's log; an hour after the trial's end it is closed."""
        self._log_size = self._write_log(text, {}, None)

    def _annotate(self, change: Mapping[str, Any]) -> None:
        body = {**self._holder, **change}
        self.study.transport.json(Request("PATCH", self._path(), body))

    def _write_log(self, text: str, query: Mapping[str, Any], seconds: float | None) -> int:
        request = Request("PUT", self._path("log"), query={**self._holder, **query}, text=text)
        answer = self._answer_in(request, seconds)
        return int(answer["size"])

    def _read_log_size(self, seconds: float | None) -> int:
        answer = self._answer_in(Request("GET", self._path("log")), seconds)
        return int(answer["size"])

    def _answer_in(self, request: Request, seconds: float | None) -> Any:
        return self.study.transport.json(request, deadline=seconds, timeout=seconds)

    def _path(self, *rest: str) -> str:
        return self.study.path("trials", str(self.trial_id), *rest)

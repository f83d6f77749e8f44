"""What can be read of a study: its trials, its best ones, its progress, analyses."""

import time
from typing import TYPE_CHECKING, Any

from tuner._sync.study_base import StudyBase
from tuner._sync.tasks import sleep
from tuner._wire.library import read_json
from tuner._wire.pages import next_page
from tuner._wire.requests import Request
from tuner.answers import (
    Best,
    FrozenTrial,
    Importance,
    ParetoTrial,
    Progress,
    SearchSpaceVersion,
    Share,
)
from tuner.tables import to_dataframe

if TYPE_CHECKING:
    import pandas

PAGE = 1000
POLL_SECONDS = 2.0


class StudyResults(StudyBase):
    """The reader's part of a study."""

    @property
    def best(self) -> Best:
        """The best trial.

        Raises:
            NotFound: no trial has completed yet, or none is feasible.
        """
        return Best.read(self._get("best"))

    @property
    def best_value(self) -> Any:
        """The value of the best trial; Optuna's name."""
        return (self.best).value

    @property
    def best_params(self) -> dict[str, Any]:
        """The parameters of the best trial; Optuna's name."""
        return (self.best).params

    @property
    def best_trial(self) -> FrozenTrial:
        """The best trial, with all that is known of it; Optuna's name."""
        return self.trial((self.best).trial_id)

    def pareto_front(self) -> list[ParetoTrial]:
        """Return the trials that no other one dominates, of a study with several objectives."""
        return [ParetoTrial.read(trial) for trial in self._pages("pareto")]

    def search_space_versions(self) -> list[SearchSpaceVersion]:
        """Return the search spaces that the study has had, the current one first."""
        versions = self._pages("search-space-versions")
        return [SearchSpaceVersion.read(version) for version in versions]

    def shares(self) -> list[Share]:
        """Return the links that are neither expired nor revoked, without their URLs."""
        return [Share.read(share) for share in self._pages("shares")]

    def trials(self, **query: Any) -> list[FrozenTrial]:
        """Return the trials, by number; of a large study many requests.

        Args:
            query: filters and an order of the API's `listTrials`, such as `state="COMPLETE"`,
                `worker_id=…`, `order_by="-value"`; and `limit`, for the first ones only.
        """
        return [FrozenTrial.read(trial) for trial in self._pages("trials", **query)]

    def trial(self, trial_id: int) -> FrozenTrial:
        """Return a trial by its number; only this answer has its note and links."""
        path = self.path("trials", str(trial_id))
        return FrozenTrial.read(self.transport.json(Request("GET", path)))

    def trial_log(self, trial_id: int) -> str:
        """Return the end of what a trial's evaluation has printed; "" if it has sent none."""
        path = self.path("trials", str(trial_id), "log")
        log = self.transport.json(Request("GET", path))
        return str(log["text"])

    def dataframe(self) -> "pandas.DataFrame":
        """Return the trials as a table of pandas, with the columns of Optuna's.

        Raises:
            ImportError: pandas is not installed.
        """
        return to_dataframe(self.trials(), len(self.directions))

    def progress(self) -> Progress:
        """Return how far the study is."""
        return Progress.read(self._get("progress"))

    def wait(self, timeout: float | None = None) -> Progress:
        """Wait until the study is completed or cancelled, and return its progress.

        Args:
            timeout: seconds after which to return although it goes on; None waits for ever.
        """
        ends_at = None if timeout is None else time.monotonic() + timeout
        while True:
            progress = self.progress()
            left = POLL_SECONDS if ends_at is None else ends_at - time.monotonic()
            if progress.state in {"COMPLETED", "CANCELLED"} or left <= 0:
                return progress
            sleep(min(left, POLL_SECONDS))

    def importance(
        self, *, target_idx: int | None = None, method: str | None = None, target: str | None = None
    ) -> Importance:
        """Return the importance of the parameters."""
        answer = self._get("importance", target_idx=target_idx, method=method, target=target)
        return Importance.read(answer)

    def advice(self) -> list[dict[str, Any]]:
        """Return what the service advises to change: code, detail, parameter."""
        advice: list[dict[str, Any]] = self._get("advice")
        return advice

    def history(self, *, target_idx: int | None = None, limit: int | None = None) -> dict[str, Any]:
        """Return the values of the trials and the best value so far."""
        history: dict[str, Any] = self._get("history", target_idx=target_idx, limit=limit)
        return history

    def hypervolume(self, reference_point: list[float] | None = None) -> dict[str, Any]:
        """Return the hypervolume of the front, of a study with several objectives."""
        point = None if reference_point is None else ",".join(map(repr, reference_point))
        answer: dict[str, Any] = self._get("hypervolume", reference_point=point)
        return answer

    def plot(self, kind: str, **query: Any) -> bytes:
        """Return a plot.

        Args:
            kind: such as `history`, `slice` or `contour`.
            query: `format` (`json` of Plotly, the default, `html`, `png`, `svg`), `params`, …
        """
        request = Request("GET", self.path("plots", kind), query=query)
        return (self.transport.send(request)).content

    def export(self) -> bytes:
        """Return the study as JSON Lines, which `Client.import_studies` takes."""
        return (self.transport.send(Request("GET", self.path("export")))).content

    def _pages(self, *path: str, limit: int | None = None, **query: Any) -> list[Any]:
        """Return the items of a list: follow `Link` to the next page, which may end early."""
        items: list[Any] = []
        page = PAGE if limit is None else min(limit, PAGE)
        request: Request | None = Request("GET", self.path(*path), query={**query, "limit": page})
        while request is not None and (limit is None or len(items) < limit):
            answer = self.transport.send(request)
            items += read_json(answer)
            request = next_page(request, answer)
        return items if limit is None else items[:limit]

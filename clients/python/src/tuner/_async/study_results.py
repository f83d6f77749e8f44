"""What can be read of a study: its trials, its best ones, its progress, analyses."""

import time
from typing import TYPE_CHECKING, Any

from tuner._async.study_base import AsyncStudyBase
from tuner._async.tasks import sleep
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


class AsyncStudyResults(AsyncStudyBase):
    """The reader's part of a study."""

    @property
    async def best(self) -> Best:
        """The best trial.

        Raises:
            NotFound: no trial has completed yet, or none is feasible.
        """
        return Best.read(await self._get("best"))

    @property
    async def best_value(self) -> Any:
        """The value of the best trial; Optuna's name."""
        return (await self.best).value

    @property
    async def best_params(self) -> dict[str, Any]:
        """The parameters of the best trial; Optuna's name."""
        return (await self.best).params

    @property
    async def best_trial(self) -> FrozenTrial:
        """The best trial, with all that is known of it; Optuna's name."""
        return await self.trial((await self.best).trial_id)

    async def pareto_front(self) -> list[ParetoTrial]:
        """Return the trials that no other one dominates, of a study with several objectives."""
        return [ParetoTrial.read(trial) for trial in await self._pages("pareto")]

    async def search_space_versions(self) -> list[SearchSpaceVersion]:
        """Return the search spaces that the study has had, the current one first."""
        versions = await self._pages("search-space-versions")
        return [SearchSpaceVersion.read(version) for version in versions]

    async def shares(self) -> list[Share]:
        """Return the links that are neither expired nor revoked, without their URLs."""
        return [Share.read(share) for share in await self._pages("shares")]

    async def trials(self, **query: Any) -> list[FrozenTrial]:
        """Return the trials, by number; of a large study many requests.

        Args:
            query: filters and an order of the API's `listTrials`, such as `state="COMPLETE"`,
                `worker_id=…`, `order_by="-value"`; and `limit`, for the first ones only.
        """
        return [FrozenTrial.read(trial) for trial in await self._pages("trials", **query)]

    async def trial(self, trial_id: int) -> FrozenTrial:
        """Return a trial by its number; only this answer has its note and links."""
        path = self.path("trials", str(trial_id))
        return FrozenTrial.read(await self.transport.json(Request("GET", path)))

    async def trial_log(self, trial_id: int) -> str:
        """Return the end of what a trial's evaluation has printed; "" if it has sent none."""
        path = self.path("trials", str(trial_id), "log")
        log = await self.transport.json(Request("GET", path))
        return str(log["text"])

    async def dataframe(self) -> "pandas.DataFrame":
        """Return the trials as a table of pandas, with the columns of Optuna's.

        Raises:
            ImportError: pandas is not installed.
        """
        return to_dataframe(await self.trials(), len(self.directions))

    async def progress(self) -> Progress:
        """Return how far the study is."""
        return Progress.read(await self._get("progress"))

    async def wait(self, timeout: float | None = None) -> Progress:
        """Wait until the study is completed or cancelled, and return its progress.

        Args:
            timeout: seconds after which to return although it goes on; None waits for ever.
        """
        ends_at = None if timeout is None else time.monotonic() + timeout
        while True:
            progress = await self.progress()
            left = POLL_SECONDS if ends_at is None else ends_at - time.monotonic()
            if progress.state in {"COMPLETED", "CANCELLED"} or left <= 0:
                return progress
            await sleep(min(left, POLL_SECONDS))

    async def importance(
        self, *, target_idx: int | None = None, method: str | None = None, target: str | None = None
    ) -> Importance:
        """Return the importance of the parameters."""
        answer = await self._get("importance", target_idx=target_idx, method=method, target=target)
        return Importance.read(answer)

    async def advice(self) -> list[dict[str, Any]]:
        """Return what the service advises to change: code, detail, parameter."""
        advice: list[dict[str, Any]] = await self._get("advice")
        return advice

    async def history(
        self, *, target_idx: int | None = None, limit: int | None = None
    ) -> dict[str, Any]:
        """Return the values of the trials and the best value so far."""
        history: dict[str, Any] = await self._get("history", target_idx=target_idx, limit=limit)
        return history

    async def hypervolume(self, reference_point: list[float] | None = None) -> dict[str, Any]:
        """Return the hypervolume of the front, of a study with several objectives."""
        point = None if reference_point is None else ",".join(map(repr, reference_point))
        answer: dict[str, Any] = await self._get("hypervolume", reference_point=point)
        return answer

    async def plot(self, kind: str, **query: Any) -> bytes:
        """Return a plot.

        Args:
            kind: such as `history`, `slice` or `contour`.
            query: `format` (`json` of Plotly, the default, `html`, `png`, `svg`), `params`, …
        """
        request = Request("GET", self.path("plots", kind), query=query)
        return (await self.transport.send(request)).content

    async def export(self) -> bytes:
        """Return the study as JSON Lines, which `AsyncClient.import_studies` takes."""
        return (await self.transport.send(Request("GET", self.path("export")))).content

    async def _pages(self, *path: str, limit: int | None = None, **query: Any) -> list[Any]:
        """Return the items of a list: follow `Link` to the next page, which may end early."""
        items: list[Any] = []
        page = PAGE if limit is None else min(limit, PAGE)
        request: Request | None = Request("GET", self.path(*path), query={**query, "limit": page})
        while request is not None and (limit is None or len(items) < limit):
            answer = await self.transport.send(request)
            items += read_json(answer)
            request = next_page(request, answer)
        return items if limit is None else items[:limit]

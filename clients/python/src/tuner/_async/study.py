"""A study, as its workers and its owners use it."""

from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, overload

from tuner._async.keep_alive import keep_alive
from tuner._async.loop import iterate_trials
from tuner._async.optimization import AsyncOptimization
from tuner._async.study_control import AsyncStudyControl
from tuner._async.study_events import AsyncStudyEvents
from tuner._async.study_results import AsyncStudyResults
from tuner._async.trial import AsyncTrial
from tuner._wire.library import read_json
from tuner._wire.requests import Request, present
from tuner._worker.budget import Budget, as_tuple
from tuner._worker.slots import Holders, Slot, take_slot
from tuner.answers import FrozenTrial
from tuner.errors import ApiError, LeaseLost, TellFailed, read_problem

MAX_BATCH = 1000  # results in one request


class AsyncStudy(AsyncStudyResults, AsyncStudyEvents, AsyncStudyControl):
    """A study of the service.

    Made by `AsyncClient.create_study` and `get_study`. What a study is (`info`, `space`) is read
    once, how it stands (`best`, `progress`, `trials`, …) by a request each time.
    """

    # Ask and tell -----------------------------------------------------------------------------

    async def loop(
        self,
        *,
        n_trials: int | None = None,
        timeout: float | None = None,
        catch: Iterable[type[Exception]] | type[Exception] = (),
        wait_while_paused: bool = True,
        lease_seconds: float | None = None,
        fixed: Mapping[str, Any] | None = None,
    ) -> AsyncGenerator[AsyncTrial, None]:
        """Yield trials to evaluate, one at a time, until the study ends.

        While no trial can be handed out, because a budget is in flight or the study is paused, it
        waits. A worker that was restarted first receives the trial that it held.

        Args:
            n_trials: end after so many trials of this loop; the study's own budget is `max_trials`.
            timeout: start no trial after so many seconds.
            catch: exceptions that leave a trial's `with` block as a failure, and do not end the
                loop.
            wait_while_paused: False ends the loop when the study is paused.
            lease_seconds: of these trials; by default the study's.
            fixed: values of parameters that these trials have, such as the batch size that fits
                into this machine. A study without duplicates may have no other point with them:
                then the loop ends.
        """
        budget = Budget(n_trials, timeout)
        caught = as_tuple(catch)
        self._stopped = False
        trials = iterate_trials(
            self,
            budget,
            wait_while_paused=wait_while_paused,
            lease_seconds=lease_seconds,
            fixed=fixed,
        )
        async for trial in trials:
            trial.catch = caught
            yield trial

    async def optimize(
        self,
        func: Callable[[Any], Any],
        n_trials: int | None = None,
        timeout: float | None = None,
        n_jobs: int = 1,
        catch: Iterable[type[Exception]] | type[Exception] = (),
        callbacks: Iterable[Callable[[Any, FrozenTrial], None]] = (),
        show_progress_bar: bool | None = None,
        fixed: Mapping[str, Any] | None = None,
    ) -> None:
        """Evaluate an objective, as Optuna's `Study.optimize` does, until the study ends.

        Args:
            func: the objective: takes a trial with Optuna's `suggest_*`, `report` and
                `should_prune`, and returns a value, or several; with asyncio a coroutine function.
            n_trials: how many trials this call evaluates; the study's own budget is `max_trials`.
            timeout: start no trial after so many seconds.
            n_jobs: how many at a time, in threads (with asyncio: in tasks); -1: as many as there
                are processors.
            catch: exceptions that fail a trial only; others end the call, too.
            callbacks: called with the study and the finished trial.
            show_progress_bar: of the whole study; by default a bar on a terminal, and log lines
                elsewhere.
            fixed: values of parameters that the trials have, as in `loop`.

        Raises:
            SpaceMismatch: the objective asks for a parameter that the study has not.
        """
        self._stopped = False
        budget = Budget(n_trials, timeout)
        run = AsyncOptimization(self, func, budget, catch, callbacks, show_progress_bar, fixed)
        await run.run(n_jobs)

    def stop(self) -> None:
        """Let `optimize` and loops of this object end after their current trials."""
        self._stopped = True

    @property
    def is_stopped(self) -> bool:
        """Whether `stop` was called since `optimize` began."""
        return self._stopped

    @overload
    async def ask(
        self, *, lease_seconds: float | None = None, fixed: Mapping[str, Any] | None = None
    ) -> AsyncTrial: ...
    @overload
    async def ask(
        self,
        count: int,
        *,
        lease_seconds: float | None = None,
        fixed: Mapping[str, Any] | None = None,
    ) -> list[AsyncTrial]: ...

    async def ask(
        self,
        count: int | None = None,
        *,
        lease_seconds: float | None = None,
        fixed: Mapping[str, Any] | None = None,
    ) -> AsyncTrial | list[AsyncTrial]:
        """Return a trial to evaluate; with `count`, a list of at least one and at most so many.

        Their leases are renewed in the background until they have a result, for as long as the
        program refers to them.

        Args:
            count: how many trials.
            lease_seconds: of these trials; by default the study's.
            fixed: values of parameters that the trials have; the sampler draws the others. A trial
                that this worker holds already is returned as it is.

        Raises:
            StudyEnded, StudyPaused: the study hands out no trials.
            FixedValuesExhausted: it has no other point with the fixed values.
            Invalid: a fixed value is not in the search space.
            Busy: it hands out none now, and did not until the deadline of the client.
        """
        slot = self._take_slot()
        try:
            if count is None:
                trials = [await self.ask_in(slot, lease_seconds=lease_seconds, fixed=fixed)]
            else:
                trials = await self._ask_many(
                    slot, count=count, lease_seconds=lease_seconds, fixed=fixed
                )
        except BaseException:
            slot.release()
            raise
        holders = Holders(slot, len(trials))
        for trial in trials:
            trial.on_finish = holders.leave
        keep_alive(trials)
        return trials[0] if count is None else trials

    async def ask_in(
        self,
        slot: Slot,
        *,
        lease_seconds: float | None = None,
        fixed: Mapping[str, Any] | None = None,
        deadline: float | None = None,
    ) -> AsyncTrial:
        """Return a trial for a slot; `loop` and `optimize` ask so, trial after trial."""
        body = present(worker_id=slot.worker_id, lease_seconds=lease_seconds, fixed=fixed)
        request = Request("POST", self.path("trials", "suggest"), body)
        answer = await self.transport.send(request, deadline=deadline)
        offer = read_json(answer)
        if offer["study_id"] != self.info.study_id:
            await self.refresh()  # the study was deleted and created again
        return AsyncTrial(self, offer, slot.worker_id, answer)

    async def _ask_many(self, slot: Slot, **keys: Any) -> list[AsyncTrial]:
        body = present(worker_id=slot.worker_id, **keys)
        request = Request("POST", self.path("trials", "suggest-batch"), body)
        answer = await self.transport.send(request)
        offers = read_json(answer)["trials"]
        return [AsyncTrial(self, offer, slot.worker_id, answer) for offer in offers]

    @contextmanager
    def slot(self, worker_id: str | None = None) -> Iterator[Slot]:
        """Take a place of a worker, by default this one, for the block; asks are by its name."""
        slot = self._take_slot(worker_id)
        try:
            yield slot
        finally:
            slot.release()

    def _take_slot(self, worker_id: str | None = None) -> Slot:
        scope = f"{self.transport.settings.url}/{self.name}"
        return take_slot(worker_id or self.client.worker_id, scope)

    async def tell(self, results: Iterable[tuple[AsyncTrial, Any]]) -> list[FrozenTrial]:
        """Tell the results of several trials by one request.

        Args:
            results: pairs of a trial and its value, or its values; NaN is a failure.

        Raises:
            TellFailed: some were refused; the others are stored.
        """
        pairs = list(results)
        items = [trial.as_item(values) for trial, values in pairs]
        path = self.path("trials", "complete-batch")
        answers: list[dict[str, Any]] = []
        for start in range(0, len(items), MAX_BATCH):
            body = {"trials": items[start : start + MAX_BATCH]}
            answers += (await self.transport.json(Request("POST", path, body)))["results"]
        told: list[FrozenTrial] = []
        errors: dict[int, ApiError] = {}
        for (trial, _), answer in zip(pairs, answers, strict=True):
            if answer.get("error") is None:
                told.append(trial.note_result(answer["trial"]))
                continue
            errors[trial.trial_id] = read_problem(answer["error"])
            if isinstance(errors[trial.trial_id], LeaseLost):
                trial.leave()
        if errors:
            raise TellFailed(errors)
        return told

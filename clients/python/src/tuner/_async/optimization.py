"""`optimize`: evaluate an objective written for Optuna, trial after trial."""

import logging
import os
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from tuner._async.first_trial import create_from_first_trial
from tuner._async.loop import iterate_trials
from tuner._async.tasks import run_in_parallel, sigterm_raises, sleep
from tuner._async.trial import AsyncTrial
from tuner._wire.requests import as_values
from tuner._worker.budget import Budget, as_tuple
from tuner._worker.display import Display
from tuner._worker.suggestions import as_optuna_trial
from tuner._worker.termination import SECONDS_TO_END
from tuner.answers import FrozenTrial
from tuner.errors import TunerError

if TYPE_CHECKING:
    from tuner._async.study import AsyncStudy

_log = logging.getLogger("tuner")


class AsyncOptimization:
    """One call of `optimize`: what its threads or tasks share."""

    def __init__(
        self,
        study: "AsyncStudy",
        objective: Callable[[Any], Any],
        budget: Budget,
        catch: Iterable[type[Exception]] | type[Exception],
        callbacks: Iterable[Callable[[Any, FrozenTrial], None]],
        show_progress_bar: bool | None,
        fixed: Mapping[str, Any] | None,
    ) -> None:
        self._study = study
        self._worker_id = study.client.worker_id  # of a Ray task: not known in other threads
        self._objective = objective
        self._budget = budget
        self._catch = as_tuple(catch)
        self._callbacks = list(callbacks)
        self._fixed = fixed
        self._display = Display(study.name, show_progress_bar)

    async def run(self, n_jobs: int) -> None:
        """Evaluate trials until the study or the budget ends."""
        as_optuna_trial(AsyncTrial)
        n_jobs = os.cpu_count() or 1 if n_jobs == -1 else n_jobs
        if n_jobs < 1:
            raise ValueError(f"n_jobs is {n_jobs}: expected at least 1, or -1 for all processors")
        if not self._study.is_created and self._budget.take():
            first = await create_from_first_trial(self._study, self._objective, self._fixed or {})
            if first is not None:
                self._call_back(first)
        with sigterm_raises(), self._display:
            await run_in_parallel(n_jobs, self._work, self._give_back)
            await self._show_progress()

    async def _work(self) -> None:
        try:
            trials = iterate_trials(
                self._study, self._budget, worker_id=self._worker_id, fixed=self._fixed
            )
            async with aclosing(trials):
                async for trial in trials:
                    await self._evaluate(trial)
        except BaseException:
            self._budget.stop()
            raise

    async def _evaluate(self, trial: AsyncTrial) -> None:
        trial.raises = False
        trial.catch = self._catch
        async with trial:
            await self._tell(trial, await self._objective(trial))
        if trial.result is None or self._budget.is_stopped:  # the lease was lost; interrupted
            return
        self._call_back(trial.result)
        if self._display.is_due():
            await self._show_progress()

    async def _tell(self, trial: AsyncTrial, values: Any) -> None:
        """Tell what the objective returned; as in Optuna, what is not a number is a failure."""
        try:
            as_values(values)
        except (TypeError, ValueError) as error:
            _log.warning("trial %s: the objective returned %r", trial.trial_id, values)
            await trial.fail(f"the objective returned {values!r}, not a number: {error}")
        else:
            await trial.complete(values)

    def _call_back(self, trial: FrozenTrial) -> None:
        for callback in self._callbacks:
            callback(self._study, trial)

    async def _show_progress(self) -> None:
        try:
            self._display.show(await self._study.progress())
        except TunerError as error:  # it is only shown: no evaluation ends for it
            _log.warning("the progress is not known: %s", error)

    async def _give_back(self) -> None:
        """Give back what runs in threads, when the calling thread is interrupted.

        A trial that a thread is asking for is waited for: the thread gives it back itself.
        """
        self._budget.stop()
        ends_at = time.monotonic() + SECONDS_TO_END
        tried: set[AsyncTrial] = set()
        while (left := ends_at - time.monotonic()) > 0:
            waiting = [each for each in list(self._budget.running - tried) if each.result is None]
            if not waiting and not self._budget.n_asking:
                return
            for trial in waiting:
                await trial.give_back("interrupted", seconds=left)
            tried.update(waiting)
            await sleep(0.02)

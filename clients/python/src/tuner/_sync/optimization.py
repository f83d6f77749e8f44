"""`optimize`: evaluate an objective written for Optuna, trial after trial."""

import logging
import os
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from typing import TYPE_CHECKING, Any

from tuner._sync.first_trial import create_from_first_trial
from tuner._sync.loop import iterate_trials
from tuner._sync.tasks import run_in_parallel, sigterm_raises, sleep
from tuner._sync.trial import Trial
from tuner._wire.requests import as_values
from tuner._worker.budget import Budget, as_tuple
from tuner._worker.display import Display
from tuner._worker.suggestions import as_optuna_trial
from tuner._worker.termination import SECONDS_TO_END
from tuner.answers import FrozenTrial
from tuner.errors import TunerError

if TYPE_CHECKING:
    from tuner._sync.study import Study

_log = logging.getLogger("tuner")


class Optimization:
    """One call of `optimize`: what its threads or tasks share."""

    def __init__(
        self,
        study: "Study",
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

    def run(self, n_jobs: int) -> None:
        """Evaluate trials until the study or the budget ends."""
        as_optuna_trial(Trial)
        n_jobs = os.cpu_count() or 1 if n_jobs == -1 else n_jobs
        if n_jobs < 1:
            raise ValueError(f"n_jobs is {n_jobs}: expected at least 1, or -1 for all processors")
        if not self._study.is_created and self._budget.take():
            first = create_from_first_trial(self._study, self._objective, self._fixed or {})
            if first is not None:
                self._call_back(first)
        with sigterm_raises(), self._display:
            run_in_parallel(n_jobs, self._work, self._give_back)
            self._show_progress()

    def _work(self) -> None:
        try:
            trials = iterate_trials(
                self._study, self._budget, worker_id=self._worker_id, fixed=self._fixed
            )
            with closing(trials):
                for trial in trials:
                    self._evaluate(trial)
        except BaseException:
            self._budget.stop()
            raise

    def _evaluate(self, trial: Trial) -> None:
        trial.raises = False
        trial.catch = self._catch
        with trial:
            self._tell(trial, self._objective(trial))
        if trial.result is None or self._budget.is_stopped:  # the lease was lost; interrupted
            return
        self._call_back(trial.result)
        if self._display.is_due():
            self._show_progress()

    def _tell(self, trial: Trial, values: Any) -> None:
        """Tell what the objective returned; as in Optuna, what is not a number is a failure."""
        try:
            as_values(values)
        except (TypeError, ValueError) as error:
            _log.warning("trial %s: the objective returned %r", trial.trial_id, values)
            trial.fail(f"the objective returned {values!r}, not a number: {error}")
        else:
            trial.complete(values)

    def _call_back(self, trial: FrozenTrial) -> None:
        for callback in self._callbacks:
            callback(self._study, trial)

    def _show_progress(self) -> None:
        try:
            self._display.show(self._study.progress())
        except TunerError as error:  # it is only shown: no evaluation ends for it
            _log.warning("the progress is not known: %s", error)

    def _give_back(self) -> None:
        """Give back what runs in threads, when the calling thread is interrupted.

        A trial that a thread is asking for is waited for: the thread gives it back itself.
        """
        self._budget.stop()
        ends_at = time.monotonic() + SECONDS_TO_END
        tried: set[Trial] = set()
        while (left := ends_at - time.monotonic()) > 0:
            waiting = [each for each in list(self._budget.running - tried) if each.result is None]
            if not waiting and not self._budget.n_asking:
                return
            for trial in waiting:
                trial.give_back("interrupted", seconds=left)
            tried.update(waiting)
            sleep(0.02)

"""The worker's loop: ask, wait where there is nothing to evaluate, end where the study ends."""

import logging
import time
from collections.abc import Generator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from tuner._sync.tasks import (
    sigterm_between_trials,
    sigterm_raises,
    sleep,
    undo_if_interrupted,
)
from tuner._wire.outages import is_outage
from tuner._wire.pauses import BUSY_SECONDS, pause_while_paused, spread
from tuner._wire.requests import Request
from tuner._wire.retries import Attempts
from tuner._worker.budget import Budget
from tuner._worker.slots import Slot
from tuner.errors import (
    ApiError,
    Busy,
    ConnectionFailed,
    FixedValuesExhausted,
    StudyEnded,
    StudyPaused,
)

if TYPE_CHECKING:
    from tuner._sync.study import Study
    from tuner._sync.trial import Trial

_log = logging.getLogger("tuner")

STEP_SECONDS = 0.5  # of a wait, between two looks whether it is to end


def iterate_trials(
    study: "Study",
    budget: Budget,
    *,
    worker_id: str | None = None,
    wait_while_paused: bool = True,
    lease_seconds: float | None = None,
    fixed: Mapping[str, Any] | None = None,
) -> Generator["Trial", None]:
    """Yield the trials of one slot until the study or the budget ends."""
    with sigterm_between_trials(), study.slot(worker_id) as slot:
        keys = {"lease_seconds": lease_seconds, "fixed": fixed}
        while not study.is_stopped and budget.take():
            asking = Asking(study, slot, budget, wait_while_paused, keys)
            try:
                trial = asking.next_trial()
                if trial is None:
                    return
                yield trial
                budget.running.discard(trial)
            except BaseException:
                asking.give_back_unused()
                raise


class Asking:
    """The asks for one trial."""

    def __init__(
        self,
        study: "Study",
        slot: Slot,
        budget: Budget,
        wait_while_paused: bool,
        keys: Mapping[str, Any],
    ) -> None:
        self._study = study
        self._budget = budget
        self._wait_while_paused = wait_while_paused
        self._ask = partial(study.ask_in, slot, deadline=0, **keys)
        self._trial: Trial | None = None
        self._attempts = self._new_attempts()

    def next_trial(self) -> "Trial | None":
        """Return the next trial; None if the study or the budget has ended meanwhile."""
        while not self._is_over():
            try:
                trial = self._ask_once()
            except StudyEnded as ended:
                _log.info('study "%s" has ended: %s', self._study.name, ended.detail)
                return None
            except FixedValuesExhausted as exhausted:
                _log.info("no further trial: %s", exhausted.detail)
                return None
            except StudyPaused as paused:
                if not self._wait_while_paused:
                    return None
                self._study.warn_once(paused.detail)
                self._wait(pause_while_paused())
            except Busy as busy:
                _log.debug('study "%s" hands out no trial now: %s', self._study.name, busy.detail)
                self._attempts = self._new_attempts()
                self._wait((busy.retry_after or BUSY_SECONDS) * spread(1, 1.5))
            except (ApiError, ConnectionFailed) as error:
                self._wait(self._pause_after(error))
            else:
                return trial
        return None

    def _ask_once(self) -> "Trial | None":
        """Ask; a trial that arrives when the process, or the call, is ending is given back."""
        with sigterm_raises(), self._budget.asking():
            trial = undo_if_interrupted(self._call, lambda trial: trial.give_back())
            self._budget.running.add(trial)
            if not self._budget.is_stopped:
                return trial
            trial.give_back()
            return None

    def _call(self) -> "Trial":
        self._trial = self._ask()
        return self._trial

    def give_back_unused(self) -> None:
        """Give back a trial whose `with` block was not reached, as after an interruption."""
        trial, self._trial = self._trial, None
        if trial is not None and trial.result is None and not trial.is_left:
            trial.give_back()

    def _pause_after(self, error: ApiError | ConnectionFailed) -> float:
        """Return the seconds to wait in an outage; raises the error if it is none, or too long."""
        if not is_outage(error):
            raise error
        if isinstance(error, ApiError):
            return self._attempts.pause_after_refusal(error)
        return self._attempts.pause_after_fault(error, was_sent=True)

    def _wait(self, seconds: float) -> None:
        ends_at = time.monotonic() + seconds
        while (left := ends_at - time.monotonic()) > 0 and not self._is_over():
            sleep(min(left, STEP_SECONDS, self._budget.seconds_left))

    def _is_over(self) -> bool:
        return self._study.is_stopped or self._budget.seconds_left <= 0

    def _new_attempts(self) -> Attempts:
        request = Request("POST", "", is_patient=True)
        return Attempts(request, self._study.transport.deadline)

"""The worker's loop: ask, wait where there is nothing to evaluate, end where the study ends."""

import logging
import random
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from tuner._async.tasks import sleep
from tuner._worker.budget import Budget
from tuner._worker.slots import Slot
from tuner.errors import Busy, StudyEnded, StudyPaused

if TYPE_CHECKING:
    from tuner._async.study import AsyncStudy
    from tuner._async.trial import AsyncTrial

_log = logging.getLogger("tuner")
_random = random.SystemRandom()

PAUSED_SECONDS = 10.0  # at most, between two asks of a paused study
BUSY_SECONDS = 1.0  # where an answer does not say when to ask again


async def iterate_trials(
    study: "AsyncStudy",
    budget: Budget,
    *,
    worker_id: str | None = None,
    wait_while_paused: bool = True,
    lease_seconds: float | None = None,
) -> AsyncIterator["AsyncTrial"]:
    """Yield the trials of one slot until the study or the budget ends."""
    with study.slot(worker_id) as slot:
        while not study.is_stopped and budget.take():
            trial = await _next_trial(study, slot, budget, wait_while_paused, lease_seconds)
            if trial is None:
                return
            yield trial


async def _next_trial(
    study: "AsyncStudy",
    slot: Slot,
    budget: Budget,
    wait_while_paused: bool,
    lease_seconds: float | None,
) -> "AsyncTrial | None":
    """Return the next trial; None if the study or the budget has ended meanwhile."""
    while not study.is_stopped and budget.seconds_left > 0:
        deadline = min(study.transport.deadline, budget.seconds_left)
        try:
            return await study.ask_in(slot, lease_seconds=lease_seconds, deadline=deadline)
        except StudyEnded as ended:
            _log.info('study "%s" has ended: %s', study.name, ended.detail)
            return None
        except StudyPaused as paused:
            if not wait_while_paused:
                return None
            _log.info('study "%s" is paused: %s', study.name, paused.reason)
            await sleep(min(_random.uniform(0.5, 1) * PAUSED_SECONDS, budget.seconds_left))
        except Busy as busy:
            _log.info('study "%s" hands out no trial now: %s', study.name, busy.detail)
            await sleep(min(busy.retry_after or BUSY_SECONDS, budget.seconds_left))
    return None

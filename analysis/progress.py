"""A study's progress: its rate, expected end, running trials and failures."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection

from optuna_bridge.enums import TrialState
from studies.enums import StudyState
from studies.models import Study
from trials.models import Trial

MAX_RUNNING = 20  # trials that are listed
MAX_REASONS = 5
MAX_REASON = 300  # characters of one

# The latest are found by the index of revisions, past those that wait or run now.
_RECENT = """
SELECT clock_timestamp(), count(*), min(started), min(ended), max(ended)
  FROM (SELECT datetime_start AS started, datetime_complete AS ended
          FROM trials_trial
         WHERE study_id = %s AND state IN ('COMPLETE', 'PRUNED', 'FAIL')
           AND datetime_start IS NOT NULL
         ORDER BY revision DESC LIMIT 200) AS recent
"""


@dataclass(frozen=True)
class Failure:
    """A reason of failures, how many of the latest failures have it, and the last of these."""

    reason: str
    n_trials: int
    last_trial_id: int


@dataclass(frozen=True)
class Progress:
    """A study with the rate at which its latest trials were finished.

    `rate_per_hour` is None before a trial is finished. `running` are the first running trials,
    `failures` the most frequent reasons of the latest failures.
    """

    study: Study
    now: datetime  # the database's clock
    rate_per_hour: float | None
    running: Sequence[Trial]
    failures: Sequence[Failure]

    @property
    def n_done(self) -> int:
        return self.study.n_complete + self.study.n_pruned + self.study.n_fail

    @property
    def n_left(self) -> int | None:
        """How many trials are still to be completed, without failed ones; None: unlimited."""
        study = self.study
        if study.max_trials is None:
            return None
        return max(0, study.max_trials - study.n_complete - study.n_pruned)

    @property
    def eta(self) -> datetime | None:
        """When `max_trials` are done at this rate, or the deadline if that is sooner.

        None if neither is known, and for a study that is not active.
        """
        if self.study.state != StudyState.ACTIVE:
            return None
        ends = [self.study.deadline] if self.study.deadline else []
        if self.n_left is not None and self.rate_per_hour:
            hours = min(self.n_left / self.rate_per_hour, 1e6)  # a century is far enough
            ends.append(self.now + timedelta(hours=hours))
        return min(ends, default=None)


def progress(*, study: Study) -> Progress:
    """Return the study's progress, by three statements whatever its size."""
    running = study.trials.filter(state=TrialState.RUNNING).order_by("number")
    # With its study, or each trial would read that by a statement of its own.
    read = running.only(
        "study", "number", "worker_id", "datetime_start", "lease_expires_at", "attempt"
    )
    now, rate = _rate(study)
    return Progress(study, now, rate, list(read[:MAX_RUNNING]), _failures(study))


def _rate(study: Study) -> tuple[datetime, float | None]:
    """Return the database's time, and how many trials an hour the latest ones make."""
    with connection.cursor() as cursor:
        cursor.execute(_RECENT, [study.id])
        now, n, first_start, first_end, last_end = cursor.fetchone()
    is_whole = n == study.n_complete + study.n_pruned + study.n_fail
    since = first_start if is_whole else first_end
    until = now if study.state == StudyState.ACTIVE else last_end
    seconds = (until - since).total_seconds() if n else 0.0
    n_since = n if is_whole else n - 1  # the first one ended when the time begins
    return now, n_since * 3600 / seconds if seconds > 0 else None


def _failures(study: Study) -> list[Failure]:
    failed = study.trials.filter(state=TrialState.FAIL).order_by("-number")
    latest = list(failed.values_list("reason", "number")[:200])
    last = dict(reversed(latest))
    common = Counter(reason for reason, _ in latest).most_common(MAX_REASONS)
    return [Failure(reason[:MAX_REASON], n, last[reason]) for reason, n in common]

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
MAX_REASON = 300  # characters of one reason

# Finds the latest finished trials by the index on revisions, skipping WAITING and RUNNING ones.
_RECENT = """
SELECT s.id, clock_timestamp(), recent.*
  FROM unnest(%(studies)s::int[]) AS s (id), LATERAL (
      SELECT count(*), count(*) FILTER (WHERE counts), min(started), min(ended), max(ended)
        FROM (SELECT datetime_start AS started, datetime_complete AS ended,
                     state <> 'FAIL' OR infeasible AS counts
                FROM trials_trial
               WHERE study_id = s.id AND state IN ('COMPLETE', 'PRUNED', 'FAIL')
                 AND datetime_start IS NOT NULL
               ORDER BY revision DESC LIMIT 200) AS latest) AS recent
"""


@dataclass(frozen=True)
class Rate:
    """The database's time, the rate per hour or None, and the share of trials that counts."""

    now: datetime
    per_hour: float | None
    share_counted: float


@dataclass(frozen=True)
class Failure:
    """A reason of failures, the number of the latest failures with it, and the last of these."""

    reason: str
    n_trials: int
    last_trial_id: int


@dataclass(frozen=True)
class Progress:
    """The progress of a study.

    `rate_per_hour` is the rate at which the latest trials were finished, or None if none is
    finished, and `share_counted` the share of them that counts against `max_trials`. `running` are
    the first running trials, and `failures` the most frequent reasons of the latest failures.
    """

    study: Study
    now: datetime  # the database's time
    rate_per_hour: float | None
    share_counted: float
    running: Sequence[Trial] = ()
    failures: Sequence[Failure] = ()

    @classmethod
    def at_rate(
        cls,
        study: Study,
        rate: Rate,
        running: Sequence[Trial] = (),
        failures: Sequence[Failure] = (),
    ) -> "Progress":
        """Return the progress of a study whose rate is known."""
        return cls(study, rate.now, rate.per_hour, rate.share_counted, running, failures)

    @property
    def n_done(self) -> int:
        return self.study.n_complete + self.study.n_pruned + self.study.n_fail

    @property
    def n_left(self) -> int | None:
        """The number of trials still to be COMPLETE, PRUNED or infeasible.

        Those of `max_trials` that are too few for another point are left out. None without it.
        """
        study = self.study
        if study.max_trials is None:
            return None
        most = study.max_trials - max(0, study.max_trials - study.n_counted) % study.n_repeats
        return max(0, most - study.n_counted_done)

    @property
    def eta(self) -> datetime | None:
        """The expected time at which `max_trials` are done, or the deadline if that is earlier.

        Failed trials are not expected to count. None if neither is known, or if the study is not
        active.
        """
        if self.study.state != StudyState.ACTIVE:
            return None
        ends = [self.study.deadline] if self.study.deadline else []
        rate = (self.rate_per_hour or 0) * self.share_counted
        if self.n_left is not None and rate > 0:
            hours = min(self.n_left / rate, 1e6)  # a century, against overflow
            ends.append(self.now + timedelta(hours=hours))
        return min(ends, default=None)


def progress(*, study: Study) -> Progress:
    """Return the study's progress, with three statements for any number of trials."""
    running = study.trials.filter(state=TrialState.RUNNING).order_by("number")
    # Includes the foreign key, which otherwise each trial would load with its own statement.
    read = running.only(
        "study", "number", "worker_id", "datetime_start", "lease_expires_at", "attempt"
    )
    rate = rates_of([study])[study.id]
    return Progress.at_rate(study, rate, list(read[:MAX_RUNNING]), _failures(study))


def rates_of(studies: Sequence[Study]) -> dict[int, Rate]:
    """Return the rate of each study by its id, in one statement."""
    by_id = {study.id: study for study in studies}
    with connection.cursor() as cursor:
        cursor.execute(_RECENT, {"studies": list(by_id)})
        return {study_id: _rate(by_id[study_id], *row) for study_id, *row in cursor.fetchall()}


def _rate(
    study: Study,
    now: datetime,
    n: int,
    n_counted: int,
    first_start: datetime,
    first_end: datetime,
    last_end: datetime,
) -> Rate:
    """Return the rate from the latest n trials, of which `n_counted` count."""
    is_whole = n == study.n_complete + study.n_pruned + study.n_fail
    since = first_start if is_whole else first_end
    until = now if study.state == StudyState.ACTIVE else last_end
    seconds = (until - since).total_seconds() if n else 0.0
    n_since = n if is_whole else n - 1  # the period begins with the end of the first one
    per_hour = n_since * 3600 / seconds if seconds > 0 else None
    return Rate(now, per_hour, n_counted / n if n else 0.0)


def _failures(study: Study) -> list[Failure]:
    """Return the most frequent reasons: by their first lines, below which the circumstances are."""
    failed = study.trials.filter(state=TrialState.FAIL).order_by("-number")
    latest = [
        (reason.strip().partition("\n")[0], number)
        for reason, number in failed.values_list("reason", "number")[:200]
    ]
    last = dict(reversed(latest))
    common = Counter(reason for reason, _ in latest).most_common(MAX_REASONS)
    return [Failure(reason[:MAX_REASON], n, last[reason]) for reason, n in common]

"""What happens in the studies that have running trials, and which studies fail in a row.

Nothing here has an index of its own: the counters of a study change with each ask and tell, which
an index on them would make slower. One pass over the rows of 10,000 studies takes milliseconds.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from studies.domain.lifecycle import FAILURES_IN_A_ROW
from tuner_project.db.prepared import rows_of

MAX_LOOKED_AT = 500  # the newest studies with running trials
MAX_FAILING = 20
# Failures in a row that are worth attention. The front page, which only those see who look at it,
# names a study earlier than an event and advice do: a look costs less than a message.
STREAK = FAILURES_IN_A_ROW // 2

# The laterals read 100 and 200 rows of a study, by the indexes on its revisions and states.
_RUNNING = """
SELECT s.id, s.name, s.state, s.n_running, s.n_ended, clock_timestamp(),
       recent.active_at, recent.ended_at, recent.usual, running.since, running.seen_at,
       running.n_expired, running.first_expired, running.n_silent, running.first_silent,
       wait.overdue
  FROM (SELECT id, name, state, n_running, n_complete + n_pruned + n_fail AS n_ended
          FROM studies_study WHERE n_running > 0
         ORDER BY id DESC LIMIT %(most)s::int) AS s,
       LATERAL (
           SELECT max(greatest(datetime_start, datetime_complete, seen_at)) AS active_at,
                  max(datetime_complete) AS ended_at,
                  percentile_disc(0.5) WITHIN GROUP (ORDER BY datetime_complete - datetime_start)
                      FILTER (WHERE state = 'COMPLETE') AS usual
             FROM (SELECT state, datetime_start, datetime_complete, seen_at FROM trials_trial
                    WHERE study_id = s.id ORDER BY revision DESC LIMIT 100) AS latest
       ) AS recent,
       LATERAL (
           SELECT CASE WHEN recent.usual IS NULL THEN interval '24 hours'
                  ELSE least(greatest(10 * recent.usual, interval '1 hour'), interval '1 year')
                  END AS overdue
       ) AS wait,
       LATERAL (
           SELECT min(datetime_start) AS since, max(sign_at) AS seen_at,
                  count(*) FILTER (WHERE is_expired) AS n_expired,
                  min(number) FILTER (WHERE is_expired) AS first_expired,
                  count(*) FILTER (WHERE is_silent) AS n_silent,
                  min(number) FILTER (WHERE is_silent) AS first_silent
             FROM (SELECT number, datetime_start, coalesce(seen_at, datetime_start) AS sign_at,
                          lease_expires_at <= clock_timestamp() AS is_expired,
                          lease_expires_at IS NULL
                              AND coalesce(seen_at, datetime_start) < clock_timestamp()
                                  - wait.overdue AS is_silent
                     FROM trials_trial WHERE study_id = s.id AND state = 'RUNNING'
                    ORDER BY number LIMIT 200) AS first
       ) AS running
 ORDER BY greatest(recent.active_at, running.seen_at) DESC NULLS LAST, s.id DESC
"""
_FAILING = """
SELECT s.id, s.name, s.state, s.n_consecutive_failures, last.number, last.reason
  FROM (SELECT id, name, state, n_running, n_consecutive_failures FROM studies_study
         WHERE state IN ('ACTIVE', 'PAUSED') AND n_consecutive_failures
               >= least(%(streak)s::int, coalesce(max_consecutive_failures, %(streak)s::int))
         ORDER BY n_running > 0 DESC, id DESC LIMIT %(most)s::int) AS s
  LEFT JOIN LATERAL (SELECT number, left(reason, 500) AS reason FROM trials_trial
                      WHERE study_id = s.id AND state = 'FAIL'
                      ORDER BY number DESC LIMIT 1) AS last ON true
 ORDER BY s.n_running > 0 DESC, s.id DESC
"""


@dataclass(frozen=True)
class Activity:
    """A study with running trials, of which up to 200 are looked at.

    Attributes:
        active_at: The start, the result or the report of the trial that was written last.
        ended_at: When the last trial ended, if it is one of the 100 that were written last.
        usual: How long those that completed took, their median.
        since: When the first of the running trials started.
        seen_at: The last sign of life of the running trials.
        n_expired: Those whose leases have expired; `first_expired` is the number of the first.
        n_silent: Those without a lease that are silent for as long as `overdue`.
        overdue: How long without a sign or a result is much longer than usual: ten times as long as
            trials took, and an hour at least; a day while none has completed.
    """

    study_id: int
    name: str
    state: str
    n_running: int
    n_ended: int
    now: datetime
    active_at: datetime | None
    ended_at: datetime | None
    usual: timedelta | None
    since: datetime | None
    seen_at: datetime | None
    n_expired: int
    first_expired: int | None
    n_silent: int
    first_silent: int | None
    overdue: timedelta

    @property
    def waits_since(self) -> timedelta | None:
        """The time since a trial has ended, or since the first one has started.

        None if it is not known, since many running trials have reported after the last end.
        """
        moment = self.since if self.n_ended == 0 else self.ended_at
        return None if moment is None else self.now - moment


@dataclass(frozen=True)
class FailingStudy:
    """An open study whose last trials have all failed, the last of them for `reason`."""

    study_id: int
    name: str
    state: str
    n_failures: int
    last_number: int | None
    reason: str | None


def activities() -> list[Activity]:
    """Return the studies with running trials, those with the latest sign of life first."""
    return [Activity(*row) for row in rows_of(_RUNNING, {"most": MAX_LOOKED_AT})]


def failing_studies() -> list[FailingStudy]:
    """Return the open studies that fail in a row, first those that run, then the newest."""
    arguments: dict[str, Any] = {"streak": STREAK, "most": MAX_FAILING}
    return [FailingStudy(*row) for row in rows_of(_FAILING, arguments)]

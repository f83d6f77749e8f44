"""The facts on which advice is based, read by a fixed number of statements."""

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from statistics import median

from django.db import connection
from django.db.models.functions import Now

from analysis.completed_trials import CompletedTrials
from optuna_bridge.enums import TrialState
from studies.models import Study
from trials.models import Trial

RECENT = 200  # latest finished trials that are examined
MAX_RUNNING = 1000
FEW = 10  # with fewer trials, results are not significant

_LONG = ("user_attrs", "system_attrs", "study_attrs")


@dataclass(frozen=True)
class Advice:
    """One piece of advice: `code` is for programs, `detail` for people."""

    code: str
    detail: str
    parameter: str | None = None


@dataclass(frozen=True)
class Reports:
    """The intermediate values of recent and running trials.

    Attributes:
        n: Their number, up to a limit.
        n_nan: The number of those that are NaN.
        n_complete: The completed trials that have reported.
        last_step: The highest step of these; None if there are none.
    """

    n: int
    n_nan: int
    n_complete: int
    last_step: int | None


_REPORTS = """
SELECT * FROM
    (SELECT count(*), count(*) FILTER (WHERE value = 'NaN')
       FROM (SELECT value FROM trials_intermediatevalue
              WHERE trial_id = ANY(%(all)s) LIMIT 10000) AS steps) AS counts,
    (SELECT count(*), max(step) FROM unnest(%(complete)s::int[]) AS complete (id),
            LATERAL (SELECT step FROM trials_intermediatevalue WHERE trial_id = complete.id
                      ORDER BY step DESC LIMIT 1) AS last) AS ends
"""


class Evidence:
    """Facts about a study, each read when a rule first uses it."""

    def __init__(self, study: Study) -> None:
        self.study = study

    @cached_property
    def completed(self) -> CompletedTrials:
        return CompletedTrials.of(self.study)

    @cached_property
    def recent(self) -> list[Trial]:
        """The `RECENT` latest finished trials, newest first."""
        ended = self.study.trials.filter(
            state__in=[each for each in TrialState if each.is_finished]
        )
        trials = ended.order_by("-revision")
        return list(trials.defer(*_LONG)[:RECENT])

    @cached_property
    def running(self) -> list[Trial]:
        """The first `MAX_RUNNING` running trials, by number."""
        trials = self.study.trials.filter(state=TrialState.RUNNING).order_by("number")
        return list(trials.defer(*_LONG).annotate(read_at=Now())[:MAX_RUNNING])

    def seconds_since(self, moment: datetime) -> float:
        """Return the seconds from a moment until `running` was read, by the database's clock."""
        return (self.running[0].read_at - moment).total_seconds()  # type: ignore[attr-defined]

    @cached_property
    def usual_seconds(self) -> float | None:
        """The median duration of recent completed trials in seconds, or None if there are none."""
        seconds = [
            trial.duration_seconds
            for trial in self.recent
            if trial.state == "COMPLETE" and trial.duration_seconds is not None
        ]
        return median(seconds) if seconds else None

    @cached_property
    def reports(self) -> Reports:
        """The intermediate values of recent and running trials."""
        trials = [*self.recent, *self.running]
        complete = [trial.id for trial in trials if trial.state == "COMPLETE"]
        with connection.cursor() as cursor:
            cursor.execute(_REPORTS, {"all": [each.id for each in trials], "complete": complete})
            return Reports(*cursor.fetchone())

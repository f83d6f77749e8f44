"""The facts that advice is based on, read by a fixed number of statements."""

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from statistics import median

from django.db import connection

from analysis.completed_trials import CompletedTrials
from optuna_bridge.enums import TrialState
from studies.models import Study
from trials.models import Trial

RECENT = 200  # trials that are searched for current problems
MAX_RUNNING = 1000
FEW = 10  # trials; below that number their results say nothing

_LONG = ("user_attrs", "system_attrs", "study_attrs")


@dataclass(frozen=True)
class Advice:
    """One piece of advice: `code` is for programs, `detail` for people."""

    code: str
    detail: str
    parameter: str | None = None


class Evidence:
    """Facts about a study, each read when a rule first needs it."""

    def __init__(self, study: Study) -> None:
        self.study = study

    @cached_property
    def completed(self) -> CompletedTrials:
        return CompletedTrials.of(self.study)

    @cached_property
    def recent(self) -> list[Trial]:
        """The latest finished trials, the last one first."""
        ended = self.study.trials.filter(
            state__in=[each for each in TrialState if each.is_finished]
        )
        trials = ended.order_by("-revision")
        return list(trials.defer(*_LONG)[:RECENT])

    @cached_property
    def running(self) -> list[Trial]:
        """The first running trials."""
        trials = self.study.trials.filter(state=TrialState.RUNNING).order_by("number")
        return list(trials.defer(*_LONG)[:MAX_RUNNING])

    @cached_property
    def now(self) -> datetime:
        """The database's clock."""
        with connection.cursor() as cursor:
            cursor.execute("SELECT clock_timestamp()")
            (now,) = cursor.fetchone()
            return now

    @cached_property
    def usual_seconds(self) -> float | None:
        """The median duration of recent completed trials."""
        seconds = [
            trial.duration_seconds
            for trial in self.recent
            if trial.state == "COMPLETE" and trial.duration_seconds is not None
        ]
        return median(seconds) if seconds else None

    @cached_property
    def reports(self) -> tuple[int, int]:
        """How many intermediate values recent trials reported, and how many of them are NaN."""
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*), count(*) FILTER (WHERE value = 'NaN') FROM (SELECT value "
                "FROM trials_intermediatevalue WHERE trial_id = ANY(%s) LIMIT 10000) AS steps",
                [[trial.id for trial in [*self.recent, *self.running]]],
            )
            n, n_nan = cursor.fetchone()
            return n, n_nan

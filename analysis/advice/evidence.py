"""What advice is given on: a fixed number of statements, whatever the study's size."""

from dataclasses import dataclass
from functools import cached_property
from statistics import median

from django.db import connection

from analysis.outline import Outline
from studies.models import Study
from trials.models import Trial

RECENT = 200  # writes, in which to look for what goes wrong now


@dataclass(frozen=True)
class Advice:
    """One thing to know: `code` is for programs, `detail` for people."""

    code: str
    detail: str
    parameter: str | None = None


class Evidence:
    """What is known of a study, each part read when a rule first needs it."""

    def __init__(self, study: Study) -> None:
        self.study = study
        self.outline = Outline.of(study)

    @cached_property
    def recent(self) -> list[Trial]:
        """The trials that were written last."""
        trials = self.study.trials.order_by("-revision")
        return list(trials.defer("user_attrs", "system_attrs", "study_attrs")[:RECENT])

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
                [[trial.id for trial in self.recent]],
            )
            n, n_nan = cursor.fetchone()
            return n, n_nan

"""The results of a study with the time at which each was known."""

from dataclasses import dataclass

import numpy as np
from django.db import connection
from numpy.typing import NDArray

from analysis.completed_trials import CompletedTrials, Mask
from studies.models import Study

_OF_TRIALS = """
SELECT number, number + 1, "values", violation, on_front,
       extract(epoch FROM datetime_complete - (
           SELECT min(datetime_start) FROM trials_trial WHERE study_id = %(study)s))::float8
  FROM trials_trial
 WHERE study_id = %(study)s AND state = 'COMPLETE'
 ORDER BY number
"""
# A group of repeats has its result when the last of its trials has ended.
_OF_GROUPS = """
SELECT leader.number, coalesce(members.last, leader.number) + 1, leader.group_values,
       leader.group_violation, leader.on_front,
       extract(epoch FROM coalesce(members.ended, leader.datetime_complete) - (
           SELECT min(datetime_start) FROM trials_trial WHERE study_id = %(study)s))::float8
  FROM trials_trial AS leader
  LEFT JOIN (SELECT repeat_group, max(number) AS last, max(datetime_complete) AS ended
               FROM trials_trial
              WHERE study_id = %(study)s AND repeat_group IS NOT NULL
              GROUP BY repeat_group) AS members ON members.repeat_group = leader.number
 WHERE leader.study_id = %(study)s AND leader.group_state = 'COMPLETE'
 ORDER BY leader.number
"""


@dataclass(frozen=True)
class Results:
    """The n results of a study: its completed trials, or completed groups of repeats, by number."""

    completed: CompletedTrials
    n_trials: NDArray[np.int64]  # (n,): the trials begun, up to the last that each result needed
    seconds: NDArray[np.float64]  # (n,): since the study's first trial started

    @classmethod
    def of(cls, study: Study) -> "Results":
        """Read the results in one statement; 50,000 take about 0.3 s."""
        statement = _OF_TRIALS if study.repeats is None else _OF_GROUPS
        with connection.cursor() as cursor:
            cursor.execute(statement, {"study": study.pk})
            rows = cursor.fetchall()
        numbers, n_trials, values, violations, fronts, seconds = (
            zip(*rows, strict=True) if rows else ((),) * 6
        )
        completed = CompletedTrials.of_columns(study, numbers, values, violations, fronts)
        # An imported trial may lack its times: it then counts as known from the start.
        known = np.nan_to_num(np.array(seconds, dtype=np.float64))
        return cls(completed, np.array(n_trials, dtype=np.int64), np.maximum(known, 0.0))

    def __len__(self) -> int:
        return len(self.completed)

    @property
    def best_number(self) -> int | None:
        """The number of the best trial; of several objectives, the first of the Pareto front."""
        completed = self.completed
        if len(completed.study.directions) > 1:
            best = completed.numbers[completed.is_on_front]
        else:
            losses = completed.losses[completed.is_feasible, 0]
            best = completed.numbers[completed.is_feasible]
            best = best[losses == losses.min(initial=np.inf)]
        return int(best[0]) if len(best) else None

    def values_of(self, number: int) -> list[float]:
        """Return the values of the result with a number."""
        index = int(np.searchsorted(self.completed.numbers, number))
        values: list[float] = self.completed.values[index].tolist()
        return values

    def keep(self, chosen: Mask | NDArray[np.int64]) -> "Results":
        """Return some of the results, by a mask or by their indices."""
        return Results(self.completed.keep(chosen), self.n_trials[chosen], self.seconds[chosen])

    def feasible(self) -> "Results":
        """Return the feasible results."""
        return self.keep(self.completed.is_feasible)

    def by_trials(self) -> "Results":
        """Return the results in the order of `n_trials`."""
        return self.keep(np.argsort(self.n_trials, kind="stable"))

    def by_time(self) -> "Results":
        """Return the results in the order in which they were known, equal ones by number."""
        return self.keep(np.argsort(self.seconds, kind="stable"))

    def places(self, *, is_timed: bool) -> NDArray[np.float64]:
        """Return the seconds, or the numbers of trials, at which the results were known, (n,)."""
        return self.seconds if is_timed else self.n_trials.astype(np.float64)

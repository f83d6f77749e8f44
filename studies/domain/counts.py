"""The numbers of studies and trials, from the counters in the table of studies."""

from typing import Any

import psycopg

from studies.enums import StudyState
from studies.models import TALLIES

# In the order of TALLIES.
_COUNT = """
SELECT state, count(*), sum(n_waiting)::bigint, sum(n_running)::bigint,
       sum(n_complete)::bigint, sum(n_pruned)::bigint, sum(n_fail)::bigint
  FROM studies_study GROUP BY state
"""


def count_by_state(cursor: psycopg.Cursor[Any]) -> tuple[dict[str, int], dict[str, int]]:
    """Count all studies by state and all trials by state, without reading the trials."""
    studies = {state.value: 0 for state in StudyState}
    trials = dict.fromkeys(TALLIES, 0)
    cursor.execute(_COUNT)
    for state, n_studies, *sums in cursor:
        studies[state] = n_studies
        for of_trial, n_trials in zip(TALLIES, sums, strict=True):
            trials[of_trial] += n_trials
    return studies, trials

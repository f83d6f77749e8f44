"""Dating a demo study back, since nothing in it took any time."""

import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db import connection
from django.utils import timezone

from studies.models import Study
from trials.projection.trial_rows import TRIALS

_TRIALS = """
UPDATE trials_trial AS t
   SET datetime_start = n.started, datetime_complete = n.ended,
       seen_at = coalesce(n.ended, t.seen_at)
  FROM json_to_recordset(%(rows)s) AS n (number int, started timestamptz, ended timestamptz)
 WHERE t.study_id = %(study)s AND t.number = n.number
"""
# A log was written last when its trial ended.
_LOGS = """
UPDATE trials_triallog AS log SET written_at = t.datetime_complete
  FROM trials_trial AS t WHERE t.id = log.trial_id AND t.study_id = %(study)s
"""
_STUDY = "UPDATE studies_study SET created_at = %s, state_history = %s WHERE id = %s"


@dataclass
class Times:
    """When what happened in a study, in seconds from its beginning.

    Attributes:
        started: The starts of trials by number.
        ended: Their ends.
        states: The changes of the study's state, but for its end.
    """

    started: dict[int, float] = field(default_factory=dict)
    ended: dict[int, float] = field(default_factory=dict)
    states: list[float] = field(default_factory=list)

    @property
    def now(self) -> float:
        """The time up to which it was played."""
        return max([*self.started.values(), *self.ended.values()])


def date_back(study: Study, times: Times, *, hours_ago: float) -> None:
    """Write the times of a study of this transaction, of which the last is some hours ago.

    They are written to both schemas, past the methods that write trials at the current time.
    """
    base = timezone.now() - timedelta(seconds=times.now + 5, hours=hours_ago)

    def moment(seconds: float) -> datetime:
        return base + timedelta(seconds=seconds)

    rows = [
        {
            "number": number,
            "started": moment(started).isoformat(),
            "ended": moment(times.ended[number]).isoformat() if number in times.ended else None,
        }
        for number, started in times.started.items()
    ]
    study.refresh_from_db(fields=["state_history"])
    ends = [*times.states, *[times.now] * len(study.state_history)]
    states = [
        {**change, "datetime": moment(at).isoformat()}
        for change, at in zip(study.state_history, ends, strict=False)
    ]
    with connection.cursor() as cursor:
        cursor.execute(_TRIALS, {"study": study.id, "rows": json.dumps(rows)})
        cursor.execute(_LOGS, {"study": study.id})
        cursor.execute(TRIALS.upsert(TRIALS.all_of_study), {"study": study.id})
        created = moment(min(times.started.values()) - 60)
        cursor.execute(_STUDY, [created, json.dumps(states), study.id])

"""Writing events, with their deliveries, in the transaction of the change that they report.

The caller holds the lock of the study's row, as every writer of trials does. So the numbers of a
study's events have no gaps, and the order of its commits: a client that has read up to a
number has not missed an earlier one.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from events.enums import EventType
from studies.models import Study
from tuner_project.db.prepared import run

BEST_EVERY = 60  # seconds between two events study.new_best of a study

# Deliveries of the events in `added` to the webhooks that are to receive them. One that is being
# deleted is waited for, and left out: without the lock, the foreign key would refuse its delivery.
_DELIVER = """
INSERT INTO events_delivery (webhook_id, event_id)
SELECT w.id, added.id FROM added
  JOIN events_webhook AS w
    ON w.enabled AND added.type = ANY(w.events) AND %(name)s::text ~ w.studies_regex
   FOR KEY SHARE OF w
"""
_ADD = f"""
WITH stream AS (
    INSERT INTO events_eventstream AS s (study_id, last_number)
    VALUES (%(study)s, {{n:d}})
        ON CONFLICT (study_id) DO UPDATE SET last_number = s.last_number + {{n:d}}
    RETURNING last_number - {{n:d}} AS before
), added AS (
    INSERT INTO events_event (study_id, number, type, data)
    SELECT %(study)s, stream.before + new.position, new.type, new.data
      FROM stream, json_to_recordset(%(events)s) AS new(position int, type text, data json)
    RETURNING id, type
)
{_DELIVER}
"""  # noqa: S608
# Of the candidates the last one that is on the front; nothing within a minute of the last event.
_ADD_BEST = f"""
WITH best AS (
    SELECT new.data, study.front_revision
      FROM json_to_recordset(%(events)s) AS new(position int, trial int, data json)
      JOIN trials_trial AS t ON t.id = new.trial AND t.on_front
      JOIN studies_study AS study ON study.id = t.study_id
     ORDER BY new.position DESC LIMIT 1
), stream AS (
    INSERT INTO events_eventstream AS s (study_id, last_number, best_at, best_revision)
    SELECT %(study)s, 1, statement_timestamp(), best.front_revision FROM best
        ON CONFLICT (study_id) DO UPDATE
       SET last_number = s.last_number + 1,
           best_at = excluded.best_at, best_revision = excluded.best_revision
     WHERE coalesce(s.best_at <= excluded.best_at - make_interval(secs => {BEST_EVERY:d}), true)
    RETURNING last_number
), added AS (
    INSERT INTO events_event (study_id, number, type, data)
    SELECT %(study)s, stream.last_number, '{EventType.STUDY_NEW_BEST.value}', best.data
      FROM stream, best
    RETURNING id, type
)
{_DELIVER}
"""  # noqa: S608


@dataclass(frozen=True)
class Draft:
    """An event that is to be written."""

    type: EventType
    data: Mapping[str, Any]


def add_events(study: Study, drafts: Sequence[Draft]) -> None:
    """Write events of a locked study, in one statement; within `pipelined()` without a wait."""
    if drafts:
        rows = [
            {"position": position, "type": draft.type.value, "data": draft.data}
            for position, draft in enumerate(drafts, 1)
        ]
        run(_ADD.format(n=len(rows)), _arguments(study, rows))


def add_new_best(study: Study, candidates: Sequence[tuple[int, Mapping[str, Any]]]) -> None:
    """Write that a locked study has a new best trial, unless it had one within a minute.

    Then `announce_best` writes it later. `candidates` are the ids of trials that may be on the
    front, each with the event's data.
    """
    if candidates:
        rows = [
            {"position": position, "trial": trial_id, "data": data}
            for position, (trial_id, data) in enumerate(candidates)
        ]
        run(_ADD_BEST, _arguments(study, rows))


def _arguments(study: Study, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {"study": study.id, "name": study.name, "events": json.dumps(rows)}

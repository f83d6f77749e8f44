"""Studies that have stalled: they wait for results, and none arrives.

A study waits while it is ACTIVE, has trials, and has more to come: running or queued ones, or room
in `max_trials`. It has stalled when for STALLED_SECONDS no trial of it has ended, and no running
one has reported or sent a heartbeat; to ask is no such sign. It has one event, until there is
one again.
"""

from datetime import datetime

from django.conf import settings
from django.db import connection
from django.db.models import F, Max

from events.domain.locked_studies import write_soon
from events.domain.outbox import Draft, add_events
from events.enums import EventType
from events.models import EventStream
from optuna_bridge.enums import TrialState
from studies.models import Study
from trials.models import Trial

MAX_STUDIES = 100  # at a time

# Of studies that processes of an earlier version have created.
_ADD_MISSING = """
INSERT INTO events_eventstream (study_id)
SELECT id FROM studies_study AS s
 WHERE NOT EXISTS (SELECT FROM events_eventstream AS e WHERE e.study_id = s.id)
    ON CONFLICT DO NOTHING
"""
# Starts the clock of studies that begin to wait, or of which trials have ended, and stops it where
# there is nothing to wait for. Rows that are being written are seen the next time.
_WATCH = """
WITH seen AS (
    SELECT e.study_id, s.n_complete + s.n_pruned + s.n_fail AS n_ended,
           s.state = 'ACTIVE' AND s.next_number > 0
           AND (s.n_running > 0 OR s.n_waiting > 0 OR s.max_trials IS NOT NULL) AS waits
      FROM events_eventstream AS e JOIN studies_study AS s ON s.id = e.study_id
), changed AS (
    SELECT e.study_id, seen.n_ended, seen.waits
      FROM events_eventstream AS e JOIN seen USING (study_id)
     WHERE e.n_ended IS DISTINCT FROM seen.n_ended OR (e.quiet_since IS NOT NULL) <> seen.waits
       FOR UPDATE OF e SKIP LOCKED
)
UPDATE events_eventstream AS e
   SET n_ended = changed.n_ended, stalled_at = NULL,
       quiet_since = CASE WHEN changed.waits THEN statement_timestamp() END
  FROM changed WHERE e.study_id = changed.study_id
"""
# Those that have stalled, and of which a trial gives signs of life again.
_REVIVE = """
WITH alive AS (
    SELECT e.study_id FROM events_eventstream AS e
     WHERE e.stalled_at IS NOT NULL AND EXISTS (
         SELECT FROM trials_trial AS t
          WHERE t.study_id = e.study_id AND t.state = 'RUNNING' AND t.reoffers = 0
            AND t.seen_at > t.datetime_start AND t.seen_at > e.stalled_at)
       FOR UPDATE OF e SKIP LOCKED
)
UPDATE events_eventstream AS e SET stalled_at = NULL, quiet_since = statement_timestamp()
  FROM alive WHERE e.study_id = alive.study_id
"""
_QUIET = """
SELECT s.name FROM events_eventstream AS e JOIN studies_study AS s ON s.id = e.study_id
 WHERE e.stalled_at IS NULL
   AND e.quiet_since <= statement_timestamp() - make_interval(secs => %s)
 ORDER BY e.quiet_since LIMIT %s
"""


def watch_for_stalls() -> int:
    """Write `study.stalled` for the studies that have stalled, and return how many.

    Each study has its own transaction.
    """
    if not settings.STALLED_SECONDS:
        return 0
    with connection.cursor() as cursor:
        for statement in (_ADD_MISSING, _WATCH, _REVIVE):
            cursor.execute(statement)
        cursor.execute(_QUIET, [settings.STALLED_SECONDS, MAX_STUDIES])
        names = [name for (name,) in cursor.fetchall()]
    return sum(bool(write_soon(name, _has_stalled)) for name in names)


def _has_stalled(study: Study) -> bool:
    """Write the event of a locked study if it has stalled, and return whether it has."""
    stream = EventStream.objects.select_for_update(no_key=True).get(study_id=study.id)
    n_ended = study.n_complete + study.n_pruned + study.n_fail
    if stream.quiet_since is None or stream.stalled_at is not None or n_ended != stream.n_ended:
        return False  # changed meanwhile
    since = max(stream.quiet_since, _last_sign(study) or stream.quiet_since)
    is_stalled = (study.now - since).total_seconds() >= settings.STALLED_SECONDS
    stream.quiet_since = since
    stream.stalled_at = study.now if is_stalled else None
    stream.save(update_fields=["quiet_since", "stalled_at"])
    if is_stalled:
        data = {
            "since": since.isoformat(),
            "n_running": study.n_running,
            "n_waiting": study.n_waiting,
        }
        add_events(study, [Draft(EventType.STUDY_STALLED, data)])
    return is_stalled


def _last_sign(study: Study) -> datetime | None:
    """Return when a running trial last reported or sent a heartbeat; None if none has."""
    running = Trial.objects.filter(study_id=study.id, state=TrialState.RUNNING, reoffers=0)
    found = running.filter(seen_at__gt=F("datetime_start")).aggregate(at=Max("seen_at"))
    at: datetime | None = found["at"]
    return at

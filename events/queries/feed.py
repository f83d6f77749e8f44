"""The feed of a study's events, read from a cursor on."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.db import connection

from events.errors import CursorAhead
from events.models import Event
from studies.errors import StudyNotFound

# Each change of a study and its trials, but heartbeats, writes the study's row, whose `xmin` is
# another one then.
_HEAD = """
SELECT s.id, coalesce(e.last_number, 0), s.xmin::text, s.state
  FROM studies_study AS s LEFT JOIN events_eventstream AS e ON e.study_id = s.id
 WHERE s.name = %s
"""


@dataclass(frozen=True)
class FeedHead:
    """Where a study's events have got to; `version` changes with the study and its trials."""

    study_id: int
    last: int
    version: str
    state: str


@dataclass(frozen=True)
class Feed:
    """Events of a study in their order, and the cursor to read on from."""

    head: FeedHead
    events: Sequence[Event]
    next_after: int


def feed_head(study_name: str, *, after: int = 0) -> FeedHead:
    """Read where a study's events have got to, in one statement.

    Raises:
        StudyNotFound
        CursorAhead: The study has had no event with the number `after`.
    """
    with connection.cursor() as cursor:
        cursor.execute(_HEAD, [study_name])
        found = cursor.fetchone()
    if found is None:
        raise StudyNotFound.named(study_name)
    study_id, last, xmin, state = found
    if after > last:
        raise CursorAhead(
            f"after is {after}, but the study's last event is {last}: it was deleted and created "
            "again, or the database was restored; read from after=0"
        )
    return FeedHead(study_id, last, f"{study_id}-{last}-{xmin}", state)


def read_feed(head: FeedHead, *, after: int, limit: int) -> Feed:
    """Read the first events with a number above `after`, at most `limit`.

    The first one has a larger number than `after` + 1 if `purge` has deleted those before.
    """
    if after == head.last:
        return Feed(head, [], after)
    found = Event.objects.filter(study_id=head.study_id, number__gt=after).order_by("number")
    events = list(found[:limit])
    return Feed(head, events, events[-1].number if events else head.last)

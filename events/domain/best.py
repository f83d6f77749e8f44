"""Writing the event of a new best trial that came within a minute of the one before."""

from django.db import connection

from events.domain.content import new_best
from events.domain.locked_studies import write_soon
from events.domain.outbox import BEST_EVERY, add_new_best
from events.models import EventStream
from studies.models import Study
from trials.models import Trial
from trials.models.querysets import with_study

MAX_STUDIES = 100  # at a time

_DUE = """
SELECT s.name FROM events_eventstream AS e JOIN studies_study AS s ON s.id = e.study_id
 WHERE s.front_revision > e.best_revision
   AND coalesce(e.best_at <= statement_timestamp() - make_interval(secs => %s), true)
 ORDER BY e.best_at NULLS FIRST LIMIT %s
"""


def announce_best() -> int:
    """Write the events of studies whose best trial has changed since a minute or longer.

    Returns:
        The number of studies that were looked at; the others have to wait if it is MAX_STUDIES.
    """
    with connection.cursor() as cursor:
        cursor.execute(_DUE, [BEST_EVERY, MAX_STUDIES])
        names = [name for (name,) in cursor.fetchall()]
    for name in names:
        write_soon(name, _announce)
    return len(names)


def _announce(study: Study) -> None:
    """Write the event of a locked study, unless another process has written it meanwhile."""
    told = EventStream.objects.filter(study_id=study.id, best_revision__gte=study.front_revision)
    if told.exists():
        return
    front = Trial.objects.filter(study_id=study.id, on_front=True).order_by("-revision", "-number")
    best = with_study(study, front[:1])
    if best:
        add_new_best(study, [(best[0].id, new_best(best[0]))])
    else:  # its result was invalidated
        stream = EventStream.objects.filter(study_id=study.id)
        stream.update(best_revision=study.front_revision)

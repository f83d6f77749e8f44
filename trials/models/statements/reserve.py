"""The statements that reserve numbers and ids for new trials."""

from collections.abc import Mapping
from typing import Any

from django.conf import settings

from studies.models import Study
from trials.models.leases import Lease
from trials.models.reservation import Reservation
from trials.models.statements.counts import count_assignments
from tuner_project.db.prepared import send
from tuner_project.db.statements import Sent

# The number of trials is a literal: for a parameter the planner would expect a thousand rows, and
# plan the statement again at each execution.
_TAKE_NUMBERS = """
UPDATE studies_study
   SET {counts} next_number = next_number + {n:d}, revision = revision + 1
 WHERE id = %(study)s {room}
RETURNING next_number - {n:d}, revision,
          (SELECT array_agg(nextval('optuna.trials_trial_id_seq'))
             FROM generate_series(1, {n:d})),
          clock_timestamp(), {lease}, max_trial_seconds
"""
# The conditions under which an ask needs no further checks of the study.
_ROOM = """
   AND search_space_version = %(version)s
   AND state = 'ACTIVE'
   AND coalesce(next_number - n_fail + n_infeasible + {n:d} <= max_trials, true)
   AND coalesce(n_running + {started:d} <= max_concurrent, true)
   AND coalesce(deadline > statement_timestamp(), true)
   AND coalesce(next_lease_expiry > statement_timestamp(), true)
"""
_NO_QUEUE = " AND n_waiting = 0"
_ROOM_LEFT = " AND next_number + {n:d} <= {most:d}"
_START = """
    n_running = n_running + {started:d}, {waiting}
    next_lease_expiry = least(
        next_lease_expiry, statement_timestamp() + make_interval(secs => {lease}),
        statement_timestamp() + make_interval(secs => max_trial_seconds)),
"""


def reserve(study_id: int, moves: Mapping[str, int], n: int) -> Reservation | None:
    """Reserve n new trials that add `moves` to the study's counts; None if there is no study."""
    sent = _take_numbers(
        {"study": study_id}, n=n, counts=count_assignments(moves), room="", lease="NULL"
    )
    return sent.first()


def send_reserve_running(
    study: Study, n: int, lease: Lease, *, n_waiting: int = 0, passes_queue: bool = False
) -> Sent[Reservation]:
    """Reserve n trials to start; no result if the study has no room, or needs further checks.

    It needs them, too, if it has another version of its search space by now. `n_waiting` more are
    reserved to wait. A queue needs further checks, unless `passes_queue` says that they were made.
    """
    every = n + n_waiting
    waiting = f"n_waiting = n_waiting + {n_waiting:d}, " if n_waiting else ""
    most: int = settings.MAX_TRIALS_PER_STUDY
    length = "lease_seconds" if lease.is_studys else "%(lease)s::float8"
    return _take_numbers(
        {"study": study.id, "lease": lease.seconds, "version": study.search_space_version},
        n=every,
        counts=_START.format(started=n, waiting=waiting, lease=length),
        room=_ROOM.format(n=every, started=n)
        + ("" if passes_queue else _NO_QUEUE)
        + (_ROOM_LEFT.format(n=every, most=most) if most else ""),
        lease=length,
    )


def _take_numbers(arguments: Mapping[str, Any], **parts: Any) -> Sent[Reservation]:
    return send(_TAKE_NUMBERS.format(**parts), arguments, lambda row: Reservation(*row))

"""Leases: for how long a worker may keep a trial without a sign of life.

Optuna knows nothing of them, so what is written here is not carried into its schema.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from studies.models import Study
from trials.models.abstract_trial import AbstractTrial
from tuner_project.db.prepared import prepared_cursor, row_of, run

# A heartbeat takes no lock but the trial's own, and is no change that a sampler would see.
_RENEW = """
UPDATE trials_trial AS t
   SET lease_expires_at = statement_timestamp() + make_interval(secs => t.lease_seconds)
  FROM studies_study AS s
 WHERE s.name = %(name)s AND t.study_id = s.id AND t.number = %(number)s AND t.state = 'RUNNING'
RETURNING t.lease_expires_at, s.state, s.state_reason
"""
_HOLD = """
WITH held AS (
    UPDATE trials_trial AS t
       SET lease_seconds = {lease},
           lease_expires_at = clock_timestamp() + make_interval(secs => {lease})
     WHERE t.id = ANY(%(trials)s)
    RETURNING t.id, t.lease_seconds, t.lease_expires_at
), noted AS (
    UPDATE studies_study SET next_lease_expiry = least(
        next_lease_expiry, (SELECT min(lease_expires_at) FROM held))
     WHERE id = %(study)s
)
SELECT id, lease_seconds, lease_expires_at FROM held
"""
_FIND_NEXT_EXPIRY = """
UPDATE studies_study SET next_lease_expiry = (
    SELECT min(lease_expires_at) FROM trials_trial WHERE study_id = %(study)s AND state = 'RUNNING')
 WHERE id = %(study)s
"""


@dataclass(frozen=True)
class Lease:
    """For how long a worker wants a trial: in seconds, None for ever; or as the study says."""

    seconds: float | None = None
    is_studys: bool = False

    def of(self, study: Study) -> float | None:
        return study.lease_seconds if self.is_studys else self.seconds


OF_STUDY = Lease(is_studys=True)


def renew(study_name: str, number: int) -> tuple[Any, ...] | None:
    """Renew a running trial's lease: when it runs out, the study's state and its reason."""
    return row_of(_RENEW, {"name": study_name, "number": number})


def hold(study_id: int, trials: Sequence[AbstractTrial], lease: Lease) -> None:
    """Give running trials a new lease from now on, as long as theirs unless told otherwise."""
    statement = _HOLD.format(lease="t.lease_seconds" if lease.is_studys else "%(lease)s::float8")
    arguments = {"study": study_id, "trials": [t.id for t in trials], "lease": lease.seconds}
    with prepared_cursor() as cursor:
        cursor.execute(statement, arguments)
        held = {trial_id: lease for trial_id, *lease in cursor.fetchall()}
    for trial in trials:
        trial.lease_seconds, trial.lease_expires_at = held[trial.id]


def find_next_expiry(study_id: int) -> None:
    """Store on the study when its next lease expires."""
    run(_FIND_NEXT_EXPIRY, {"study": study_id})

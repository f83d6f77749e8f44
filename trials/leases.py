"""Leases: for how long a worker may keep a trial without a sign of life.

Optuna knows nothing of them, so what is written here is not carried into its schema.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from studies.models import Study
from tuner_project.prepared import row_of, run

if TYPE_CHECKING:
    from trials.models import Trial

# A heartbeat takes no lock but the trial's own, and is no change that a sampler would see.
_RENEW = """
UPDATE trials_trial AS t
   SET lease_expires_at = statement_timestamp() + make_interval(secs => t.lease_seconds)
  FROM studies_study AS s
 WHERE s.name = %(name)s AND t.study_id = s.id AND t.number = %(number)s AND t.state = 'RUNNING'
RETURNING t.lease_expires_at, s.state, s.state_reason
"""
_HOLD = """
WITH renewed AS (
    UPDATE trials_trial AS t SET lease_seconds = %(lease)s, lease_expires_at = %(until)s
     WHERE t.id = ANY(%(trials)s)
)
UPDATE studies_study SET next_lease_expiry = least(next_lease_expiry, %(until)s::timestamptz)
 WHERE id = %(study)s
"""
_FIND_NEXT_EXPIRY = """
UPDATE studies_study SET next_lease_expiry = (
    SELECT min(lease_expires_at) FROM trials_trial WHERE study_id = %(study)s AND state = 'RUNNING')
 WHERE id = %(study)s
"""


@dataclass(frozen=True)
class Lease:
    """For how long a worker wants a trial: as the study says, or in seconds; None: for ever."""

    seconds: float | None = None
    is_studys: bool = False

    def of(self, study: Study) -> float | None:
        return study.lease_seconds if self.is_studys else self.seconds


def renew(study_name: str, number: int) -> tuple[Any, ...] | None:
    """Renew a running trial's lease: when it runs out, the study's state and its reason."""
    return row_of(_RENEW, {"name": study_name, "number": number})


def hold(study_id: int, trials: Sequence["Trial"], lease: float | None, until: Any) -> None:
    """Give running trials a new lease."""
    arguments = {"study": study_id, "trials": [trial.id for trial in trials]}
    run(_HOLD, arguments | {"lease": lease, "until": until})


def find_next_expiry(study_id: int) -> None:
    run(_FIND_NEXT_EXPIRY, {"study": study_id})

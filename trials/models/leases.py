"""Leases: how long a worker may keep a trial without a report or heartbeat.

Optuna has no leases, so the writes here are not projected into its schema.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from optuna_bridge.enums import TrialState
from studies.models import Study
from trials.models.querysets import T, TrialReader, with_study
from tuner_project.db.prepared import row_of, rows_of, run

# A heartbeat locks only the trial's row, and does not raise the study's revision, since samplers
# do not read leases.
_RENEW = """
UPDATE trials_trial AS t
   SET lease_expires_at = least(
           statement_timestamp() + make_interval(secs => t.lease_seconds),
           t.datetime_start + make_interval(secs => s.max_trial_seconds)),
       seen_at = statement_timestamp(), reoffers = 0
  FROM studies_study AS s
 WHERE s.name = %(name)s AND t.study_id = s.id AND t.number = %(number)s AND t.state = 'RUNNING'
   AND s.id = coalesce(%(study)s::int, s.id) AND t.worker_id = coalesce(%(worker)s, t.worker_id)
RETURNING t.lease_expires_at, s.state, s.state_reason, s.stop_running,
          coalesce(t.lease_expires_at <= statement_timestamp(), false)
"""
_HOLD = """
WITH held AS (
    UPDATE trials_trial AS t
       SET lease_seconds = {lease},
           lease_expires_at = least(
               clock_timestamp() + make_interval(secs => {lease}),
               t.datetime_start + make_interval(secs => %(max_trial_seconds)s::float8)),
           seen_at = clock_timestamp(), reoffers = t.reoffers + 1,
           attempt = t.attempt + coalesce(t.lease_expires_at <= %(now)s, false)::int
     WHERE t.id = ANY(%(trials)s)
    RETURNING t.id, t.lease_seconds, t.lease_expires_at, t.reoffers, t.attempt
), noted AS (
    UPDATE studies_study SET next_lease_expiry = least(
        next_lease_expiry, (SELECT min(lease_expires_at) FROM held))
     WHERE id = %(study)s
)
SELECT id, lease_seconds, lease_expires_at, reoffers, attempt FROM held
"""
# A running trial without a lease gets the study's; one that has a lease keeps its length. A trial
# of stock Optuna that lacks parameters gets none: it could not be handed out again as it is.
_NEW_LEASE = (
    "CASE WHEN array_position(t.internal_params, NULL) IS NULL OR t.id = ANY(%(complete)s) "
    "THEN coalesce(t.lease_seconds, s.lease_seconds) ELSE t.lease_seconds END"
)
_LIMIT = """
UPDATE trials_trial AS t
   SET lease_seconds = {lease},
       lease_expires_at = least(
           CASE WHEN t.lease_seconds IS NULL THEN clock_timestamp() ELSE
               coalesce(t.seen_at, clock_timestamp()) END
               + make_interval(secs => {lease}),
           t.datetime_start + make_interval(secs => s.max_trial_seconds))
  FROM studies_study AS s
 WHERE s.id = %(study)s AND t.study_id = s.id AND t.state = 'RUNNING'
"""
_FIND_NEXT_EXPIRY = """
UPDATE studies_study SET next_lease_expiry = (
    SELECT min(lease_expires_at) FROM trials_trial WHERE study_id = %(study)s AND state = 'RUNNING')
 WHERE id = %(study)s
"""


@dataclass(frozen=True)
class Lease:
    """The lease that a worker requests: `seconds` (None: without an end), or the study's length."""

    seconds: float | None = None
    is_studys: bool = False

    def of(self, study: Study) -> float | None:
        return study.lease_seconds if self.is_studys else self.seconds


OF_STUDY = Lease(is_studys=True)


class LeaseWriter(TrialReader[T]):
    """The methods of Trial's manager that write leases."""

    def renew(
        self,
        study_name: str,
        number: int,
        *,
        study_id: int | None = None,
        worker_id: str | None = None,
    ) -> tuple[datetime | None, str, str, bool, bool] | None:
        """Renew a running trial's lease, without a lock on its study.

        Returns (expiry, study's state, state's reason, its `stop_running`, whether the trial has
        run for `max_trial_seconds`); None if there is no such running trial, or it is of another
        study or worker than those given.
        """
        arguments = {"name": study_name, "number": number, "study": study_id, "worker": worker_id}
        return row_of(_RENEW, arguments)

    def hold(self, study: Study, trials: Sequence[T], lease: Lease) -> None:
        """Return running trials of a locked study to their worker, with a lease that starts now.

        If `lease` is `OF_STUDY`, each keeps the length of its last lease. It is counted as a
        reoffer and, if the lease has expired, as another attempt.
        """
        length = "t.lease_seconds" if lease.is_studys else "%(lease)s::float8"
        trial_ids = [trial.id for trial in trials]
        arguments = {
            **{"study": study.id, "trials": trial_ids, "lease": lease.seconds, "now": study.now},
            "max_trial_seconds": study.max_trial_seconds,
        }
        held = {row[0]: row[1:] for row in rows_of(_HOLD.format(lease=length), arguments)}
        for trial in trials:
            written = held[trial.id]
            trial.lease_seconds, trial.lease_expires_at, trial.reoffers, trial.attempt = written

    def limit_running(self, study: Study) -> None:
        """Apply a locked study's lease, if they have none, and `max_trial_seconds` to its trials.

        Only running ones have them.
        """
        complete: list[int] = []  # though they do not have all parameters
        if study.space.is_conditional:
            without = self.filter(study=study, state=TrialState.RUNNING, lease_seconds=None)
            running = with_study(study, without.only("internal_params"))
            complete = [trial.id for trial in running if trial.has_all_params]
        run(_LIMIT.format(lease=_NEW_LEASE), {"study": study.id, "complete": complete})
        self.find_next_expiry(study)

    def find_next_expiry(self, study: Study) -> None:
        """Store on the study when its next lease expires."""
        run(_FIND_NEXT_EXPIRY, {"study": study.id})

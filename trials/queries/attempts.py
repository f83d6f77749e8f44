"""The attempts at the parameters of a trial, which retries link."""

from trials.models import Trial
from trials.models.querysets import with_study
from tuner_project.db.prepared import rows_of

MAX_ATTEMPTS = 50  # before, and as many after

# Follows the links from a trial in both directions.
_LINKED = """
WITH RECURSIVE
    earlier (number, next, depth) AS (
        SELECT number, retry_of, 0 FROM trials_trial
         WHERE study_id = %(study)s AND number = %(number)s
        UNION ALL
        SELECT t.number, t.retry_of, depth + 1 FROM earlier
          JOIN trials_trial AS t ON t.study_id = %(study)s AND t.number = earlier.next
         WHERE depth < %(most)s),
    later (number, next, depth) AS (
        SELECT number, retried_as, 0 FROM trials_trial
         WHERE study_id = %(study)s AND number = %(number)s
        UNION ALL
        SELECT t.number, t.retried_as, depth + 1 FROM later
          JOIN trials_trial AS t ON t.study_id = %(study)s AND t.number = later.next
         WHERE depth < %(most)s)
SELECT number FROM earlier UNION SELECT number FROM later
"""
_UNREAD = ("user_attrs", "system_attrs", "study_attrs", "internal_params")


def attempts_of(trial: Trial) -> list[Trial]:
    """Return the attempts before and after a trial, and itself, by number.

    Those that are not linked any more are not among them: a queued attempt that a late result has
    replaced.
    """
    if trial.retry_of is None and trial.retried_as is None:
        return [trial]
    study = trial.study
    arguments = {"study": study.id, "number": trial.number, "most": MAX_ATTEMPTS}
    numbers = [number for (number,) in rows_of(_LINKED, arguments)]
    found = study.trials.filter(number__in=numbers).order_by("number").defer(*_UNREAD)
    return with_study(study, found)

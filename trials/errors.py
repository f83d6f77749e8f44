"""The errors of requests about trials."""

from tuner_project.errors import DomainError


class TrialNotFound(DomainError):
    """The study has no trial of this number."""

    status = 404
    code = "trial_not_found"

    @classmethod
    def numbered(cls, number: int) -> "TrialNotFound":
        return cls(f"the study has no trial {number}")


class TrialFinished(DomainError):
    """The trial has already ended, with another result."""

    status = 409
    code = "trial_finished"


class LeaseLost(DomainError):
    """The trial was failed because its lease expired; `retry_trial_id` is its next attempt.

    A result is accepted nevertheless while that attempt waits in the queue.
    """

    status = 409
    code = "lease_lost"

    @classmethod
    def of_trial(cls, number: int, retry: int | None) -> "LeaseLost":
        """Return the error for a trial's number and that of its next attempt, if there is one."""
        then = "it is not retried" if retry is None else f"it is retried as trial {retry}"
        detail = f"the lease of trial {number} expired, and the trial was failed; {then}"
        return cls(detail, retry_trial_id=retry)


class NotHolder(DomainError):
    """The trial was given to another worker."""

    status = 409
    code = "not_holder"


class TrialNotRunning(DomainError):
    """The trial waits in the queue: it accepts a result only after an ask has handed it out."""

    status = 409
    code = "trial_not_running"


class TrialNotFailed(DomainError):
    """The trial has not failed."""

    status = 409
    code = "trial_not_failed"


class TrialHasNoResult(DomainError):
    """The trial is not COMPLETE or PRUNED, so that it has no result to invalidate."""

    status = 409
    code = "trial_has_no_result"


class TrialNotWaiting(DomainError):
    """The trial is not in the queue, or no longer."""

    status = 409
    code = "trial_not_waiting"


class LogClosed(DomainError):
    """The trial has ended too long ago for its log to be changed."""

    status = 409
    code = "log_closed"


class InvalidResult(DomainError):
    """The result does not fit the study; `errors` name the keys."""


class InvalidTrial(DomainError):
    """The trial to add does not fit the study, or a change the trial; `errors` name the keys."""


class InvalidFixedValues(DomainError):
    """The values that an ask fixes are not in the search space; `errors` name the parameters."""


class InvalidQuery(DomainError):
    """The query for trials does not fit the study; `errors` name the query's keys."""

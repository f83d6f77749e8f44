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
    """The trial's lease ran out and the trial was ended; `retry_trial_id` is its next attempt."""

    status = 409
    code = "lease_lost"

    @classmethod
    def of_trial(cls, number: int, retry: int | None) -> "LeaseLost":
        """Of the trial of a number, and the number of its next attempt, if there is one."""
        then = "it is not tried again" if retry is None else f"it is tried again as trial {retry}"
        detail = f"the lease of trial {number} ran out, and the trial was ended; {then}"
        return cls(detail, retry_trial_id=retry)


class TrialNotRunning(DomainError):
    """The trial waits in the queue: it can be told only after an ask has handed it out."""

    status = 409
    code = "trial_not_running"


class TrialNotWaiting(DomainError):
    """The trial does not wait in the queue (any more)."""

    status = 409
    code = "trial_not_waiting"


class StepConflict(DomainError):
    """Another intermediate value of this step is stored."""

    status = 409
    code = "step_conflict"


class InvalidOutcome(DomainError):
    """The result does not fit the study; `errors` point at the keys."""


class InvalidTrial(DomainError):
    """The trial to add does not fit the study; `errors` point at the keys."""


class InvalidQuery(DomainError):
    """The study has no such trials to list; `errors` point at the query's keys."""

"""What can be wrong with a request about trials."""

from tuner_project.rest.errors import DomainError


class TrialNotFound(DomainError):
    """The study has no trial of this number."""

    status = 404
    code = "trial_not_found"


class TrialFinished(DomainError):
    """The trial was told already, and otherwise."""

    status = 409
    code = "trial_finished"


class StepConflict(DomainError):
    """An intermediate value of this step is stored, and is another one."""

    status = 409
    code = "step_conflict"


class InvalidOutcome(DomainError):
    """What was told does not fit the study; `errors` point at the keys."""

"""What can be wrong with a request about studies."""

from tuner_project.errors import DomainError


class StudyNotFound(DomainError):
    """There is no study of this name, or the caller may not see it."""

    status = 404
    code = "study_not_found"

    @classmethod
    def named(cls, name: str) -> "StudyNotFound":
        return cls(f'there is no study "{name}"')


class StudyExists(DomainError):
    """A study of this name exists, and the caller wanted a new one."""

    status = 409
    code = "study_exists"


class StudyConflict(DomainError):
    """A study of this name exists with another definition."""

    status = 409
    code = "study_conflict"


class InvalidStudy(DomainError):
    """The definition contradicts itself; `errors` point at the keys."""


class InvalidBudget(DomainError):
    """A budget does not fit the study; `errors` point at the keys."""


class NotOpen(DomainError):
    """The study hands out no trials."""

    status = 409


class StudyPaused(NotOpen):
    """The study is paused: `resume` it."""

    code = "study_paused"


class StudyCompleted(NotOpen):
    """The study is completed; `reason` says by which budget, or why somebody completed it."""

    code = "study_completed"


class StudyCancelled(NotOpen):
    """The study was cancelled, for good."""

    code = "study_cancelled"


class IllegalTransition(DomainError):
    """The study's state does not lead to the wanted one; `allowed` are those that it leads to."""

    status = 409
    code = "illegal_transition"


class Busy(DomainError):
    """Nothing can be handed out now; it may be in a moment."""

    status = 429
    wait = 1


class TooManyRunning(Busy):
    """As many trials run as may at a time."""

    code = "too_many_running"


class BudgetInFlight(Busy):
    """All trials are handed out, but one that runs may fail and free its place."""

    code = "budget_in_flight"


class Contended(Busy):
    """Others ask for trials of the study so often that this ask found no turn."""

    code = "contended"


class TooManyRunningOfToken(Busy):
    """As many trials run as the token may have at a time."""

    code = "too_many_running_of_token"


class TooManyStudies(DomainError):
    """There are as many studies as there may be."""

    status = 409
    code = "too_many_studies"


class TooManyTrials(DomainError):
    """The study has as many trials as one may have."""

    status = 409
    code = "too_many_trials"


class BudgetExceeded(DomainError):
    """More trials than the study may have."""

    status = 409
    code = "max_trials_exceeded"

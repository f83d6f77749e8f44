"""Errors of requests about studies."""

from tuner_project.errors import DomainError


class StudyNotFound(DomainError):
    """There is no study of this name, or the caller may not see it."""

    status = 404
    code = "study_not_found"

    @classmethod
    def named(cls, name: str) -> "StudyNotFound":
        return cls(f'there is no study "{name}"')


class StudyReplaced(DomainError):
    """The study was deleted, and another one with its name created; `study_id` is that one's."""

    status = 409
    code = "study_replaced"


class StudyExists(DomainError):
    """A study of this name exists, and `load_if_exists` is false."""

    status = 409
    code = "study_exists"


class StudyConflict(DomainError):
    """A study of this name exists with another definition."""

    status = 409
    code = "study_conflict"


class SearchSpaceChanged(DomainError):
    """The search space has another version than `if_version`; `search_space_version` is that."""

    status = 409
    code = "search_space_changed"


class SearchSpaceIncompatible(DomainError):
    """The trials of the study have no place in the new search space: clone the study with it."""

    status = 409
    code = "search_space_incompatible"


class TooManySearchSpaces(DomainError):
    """The study has had as many search spaces as it may have."""

    status = 409
    code = "too_many_search_spaces"


class InvalidStudy(DomainError):
    """The definition contradicts itself; `errors` point at the keys."""


class InvalidBudget(DomainError):
    """A budget does not fit the study; `errors` point at the keys."""


class NotOpen(DomainError):
    """The study is not active: it hands out no trials."""

    status = 409


class StudyPaused(NotOpen):
    """The study is paused: `resume` it."""

    code = "study_paused"


class StudyCompleted(NotOpen):
    """The study is completed; `reason` is the budget, or the reason given by the client."""

    code = "study_completed"


class StudyCancelled(NotOpen):
    """The study was cancelled, for good."""

    code = "study_cancelled"


class IllegalTransition(DomainError):
    """The state cannot change to the requested one; `allowed` are the possible actions."""

    status = 409
    code = "illegal_transition"


class Busy(DomainError):
    """No trial can be handed out now; try again."""

    status = 429
    wait = 1


class SamplerUnavailable(DomainError):
    """A part of the installation that the study's sampler needs is missing."""

    status = 503
    code = "sampler_unavailable"
    wait = 60


class StudyBusy(DomainError):
    """The study's sampler is busy with other asks; try again."""

    status = 503
    code = "study_busy"

    def __init__(self, detail: str, *, wait: int) -> None:
        """Create the error for a number of seconds that the sampler takes, as far as known."""
        super().__init__(detail)
        self.wait = min(max(1, wait), 30)


class SamplerUnsuited(DomainError):
    """The study is too large for its sampler, or has an option that is out of bounds by now.

    Such a study was created by an earlier version: clone it, with another sampler or option.
    """

    status = 409
    code = "sampler_unsuited"


class TooManyRunning(Busy):
    """`max_concurrent` trials are running."""

    code = "too_many_running"


class BudgetInFlight(Busy):
    """`max_trials` trials are handed out; a running one may still fail and leave room."""

    code = "budget_in_flight"


class FixedValuesExhausted(DomainError):
    """The study avoids duplicates, and all points with the fixed values have been visited."""

    status = 409
    code = "fixed_values_exhausted"


class Contended(Busy):
    """Concurrent asks of the same study took precedence too often."""

    code = "contended"


class TooManyRunningOfToken(Busy):
    """The token has as many running trials as it may have."""

    code = "too_many_running_of_token"


class TooManyStudies(DomainError):
    """The service has as many studies as it may have."""

    status = 409
    code = "too_many_studies"


class TooManyTrials(DomainError):
    """The study has as many trials as it may have."""

    status = 409
    code = "too_many_trials"


class ShareNotFound(DomainError):
    """The study has no link with this id."""

    status = 404
    code = "share_not_found"


class TooManyShares(DomainError):
    """The study has as many links as it may have: revoke one of them."""

    status = 409
    code = "too_many_shares"


class BudgetExceeded(DomainError):
    """`max_trials` leaves no room for the trials."""

    status = 409
    code = "max_trials_exceeded"

"""What can be wrong with a request about studies."""

from tuner_project.rest.errors import DomainError


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

"""The errors of access control."""

from tuner_project.errors import DomainError


class InsufficientScope(DomainError):
    """The token's scope or the user's permissions are not sufficient for the request."""

    status = 403
    code = "insufficient_scope"

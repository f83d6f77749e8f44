"""Actors: who runs a use case, what the audit log records of them, and which studies they see.

Every caller of a use case (a view of the API, a page of the admin, a management command) passes
its actor as an argument. No actor is kept in thread-local state; that is only used for logging: the
request id and the stopwatch (`tuner_project.observability`).
"""

import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from django.http import HttpRequest

from access.models.audit_entry import ActorKind, AuditEntry
from access.models.token import Token
from access.scopes import EVERY_STUDY, Scope, matches
from tuner_project.security.client_address import client_address


@dataclass(frozen=True)
class Actor:
    """A client of the API, a user of the admin, a command, or the service itself.

    Attributes:
        id: The id of the token or user.
        scope: What it may do through the API; elsewhere, Django's permissions apply.
        studies: The pattern of the study names that it may see.
        study_id: Of a share: the id of the only study that it may see.
        address: The client's address, if it acts in a request.
        request_id: The id of that request.
    """

    kind: ActorKind
    scope: Scope
    name: str = ""
    id: int | None = None
    studies: str = EVERY_STUDY
    study_id: int | None = None
    address: str | None = None
    request_id: str = ""

    @classmethod
    def of_token(cls, token: Token, request: HttpRequest) -> Self:
        """Return the actor for a client that authenticated with a token."""
        return cls(
            ActorKind.TOKEN,
            Scope(token.scope),
            name=token.name,
            id=token.pk,
            studies=token.studies,
            study_id=token.study_id,
            **_origin(request),
        )

    @classmethod
    def of_user(cls, user: Any, request: HttpRequest, *, scope: Scope) -> Self:
        """Return the actor for a logged-in user."""
        name = user.get_username()
        return cls(ActorKind.USER, scope, name=name, id=user.pk, **_origin(request))

    @classmethod
    def anonymous(cls, request: HttpRequest) -> Self:
        """Return the actor for a client without a token, if none is required."""
        return cls(ActorKind.ANYBODY, Scope.MANAGE, **_origin(request))

    @classmethod
    def of_session(cls, request: HttpRequest) -> Self:
        """Return the actor for a page outside the API: the staff user, or an anonymous client."""
        user = staff_user(request)
        if user is None:
            return cls.anonymous(request)
        return cls.of_user(user, request, scope=Scope.READ)

    @classmethod
    def command(cls, name: str | None = None) -> Self:
        """Return the actor for a management command, by default named by this process's command."""
        return cls(ActorKind.COMMAND, Scope.MANAGE, name=_command_line() if name is None else name)

    def within(self, other: "Actor") -> "Actor":
        """Return this actor with the address and request id of another actor."""
        return replace(self, address=other.address, request_id=other.request_id)

    @property
    def token_id(self) -> int | None:
        """The id of the token, or None for other kinds of actors."""
        return self.id if self.kind == ActorKind.TOKEN else None

    @property
    def caller(self) -> tuple[Any, ...]:
        """Who it is over several requests: the token, the user, or else the address."""
        return self.kind, self.address if self.id is None else self.id

    def sees(self, study_name: str) -> bool:
        """Return whether it may see studies of this name, whichever they are; a share none."""
        return self.studies == EVERY_STUDY or matches(self.studies, study_name)


# For changes that no client requested: a lease expires, a budget is used up.
SERVICE = Actor(ActorKind.SERVICE, Scope.MANAGE)


def staff_user(request: HttpRequest) -> Any | None:
    """Return the active staff user of the request's session, or None; this reads the session.

    A request of the API without a session's cookie has no user (`page_middleware`).
    """
    user = getattr(request, "user", None)
    return user if user is not None and user.is_active and user.is_staff else None


def _origin(request: HttpRequest) -> dict[str, Any]:
    """Return a request's client address and its id, as set by `RequestIdMiddleware`."""
    return {
        "address": client_address(request) or None,
        "request_id": getattr(request, "request_id", ""),
    }


def _command_line() -> str:
    """Return the command that started this process, such as `manage.py purge`."""
    program = Path(sys.argv[0]).name
    words = sys.argv[:2] if program in {"manage.py", "tuner-server"} else sys.argv[:1]
    return " ".join([program, *words[1:]])[: AuditEntry._meta.get_field("actor_name").max_length]

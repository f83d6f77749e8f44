"""Actors: who acts in a use case, what the audit records of them, and which studies they see.

Whatever calls a use case (a view of the API, a page of the admin, a management command) passes
its actor as an argument. Nothing of an actor is ambient; what is left of the request that a thread
serves, its id for log lines and the stopwatch (`tuner_project.observability`), is about logging.
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
        id: of the token or the user.
        scope: what it may do over the API; elsewhere, Django's permissions decide.
        studies: the pattern of the study names that it sees.
        address: the client's, where it acts in a request.
        request_id: of that request.
    """

    kind: ActorKind
    scope: Scope
    name: str = ""
    id: int | None = None
    studies: str = EVERY_STUDY
    address: str | None = None
    request_id: str = ""

    @classmethod
    def of_token(cls, token: Token, request: HttpRequest) -> Self:
        """The client that sent a request with a token."""
        return cls(
            ActorKind.TOKEN,
            Scope(token.scope),
            name=token.name,
            id=token.pk,
            studies=token.studies,
            **_origin(request),
        )

    @classmethod
    def of_user(cls, user: Any, request: HttpRequest, *, scope: Scope) -> Self:
        """A user who is logged in."""
        name = user.get_username()
        return cls(ActorKind.USER, scope, name=name, id=user.pk, **_origin(request))

    @classmethod
    def anonymous(cls, request: HttpRequest) -> Self:
        """A client that did not identify itself, where no token is required."""
        return cls(ActorKind.ANYBODY, Scope.MANAGE, **_origin(request))

    @classmethod
    def of_session(cls, request: HttpRequest) -> Self:
        """The user of a page that is not the API's; a client that is not logged in is anonymous."""
        user = staff_user(request)
        if user is None:
            return cls.anonymous(request)
        return cls.of_user(user, request, scope=Scope.READ)

    @classmethod
    def command(cls, name: str | None = None) -> Self:
        """A management command; by default, as this process was started."""
        return cls(ActorKind.COMMAND, Scope.MANAGE, name=_command_line() if name is None else name)

    def within(self, other: "Actor") -> "Actor":
        """This actor, acting in the request of another one."""
        return replace(self, address=other.address, request_id=other.request_id)

    @property
    def token_id(self) -> int | None:
        """The id of its token, if it has one."""
        return self.id if self.kind == ActorKind.TOKEN else None

    def sees(self, study_name: str) -> bool:
        """Whether it sees studies of this name."""
        return self.studies == EVERY_STUDY or matches(self.studies, study_name)


# What happens without a request for it: a lease runs out, a budget is used up.
SERVICE = Actor(ActorKind.SERVICE, Scope.MANAGE)


def staff_user(request: HttpRequest) -> Any | None:
    """The active staff user whose session the request belongs to, if any; reads the session."""
    user = getattr(request, "user", None)
    return user if user is not None and user.is_active and user.is_staff else None


def _origin(request: HttpRequest) -> dict[str, Any]:
    """Where a request came from, and its id, as `RequestIdMiddleware` set it."""
    return {
        "address": client_address(request) or None,
        "request_id": getattr(request, "request_id", ""),
    }


def _command_line() -> str:
    """What the process was started as, such as `manage.py purge`."""
    program = Path(sys.argv[0]).name
    words = sys.argv[:2] if program == "manage.py" else sys.argv[:1]
    return " ".join([program, *words[1:]])[: AuditEntry._meta.get_field("actor_name").max_length]

"""The permission check of the API: each action requires a scope."""

from typing import Any

from django.conf import settings
from rest_framework.exceptions import NotAuthenticated
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from access.errors import InsufficientScope
from access.models.audit_entry import ActorKind
from access.scopes import Scope


class HasScope(BasePermission):
    """Require that the actor's scope includes the one in the view's `scopes` for the action.

    An action without an entry requires `read` for safe methods, and otherwise `manage`. A share is
    for the actions in the view's `shared` alone: those that the page of a study reads.
    """

    def has_permission(self, request: Request, view: Any) -> bool:
        actor: Any = request.user
        if actor is None:
            if settings.AUTH_REQUIRED:
                raise NotAuthenticated('send a token as "Authorization: Bearer <token>"')
            return True
        needed = self.needed_scope(view, request.method or "")
        if needed is not None and not actor.scope.includes(needed):
            raise InsufficientScope(
                f'this needs the scope "{needed}", and "{actor.name}" has "{actor.scope}"'
            )
        if needed is not None and actor.study_id is not None:
            _check_shared(view)
        if settings.AUTH_REQUIRED and actor.kind == ActorKind.USER:
            _check_permission(request, view)
        return True

    @staticmethod
    def needed_scope(view: Any, method: str) -> Scope | None:
        """Return the scope that a method requires, or None if the view does not support it."""
        action = getattr(view, "action", None)
        if action is None:
            return None
        declared = getattr(view, "scopes", {}).get(action)
        return Scope(declared or (Scope.READ if method in SAFE_METHODS else Scope.MANAGE))


def _check_shared(view: Any) -> None:
    """Raise `InsufficientScope` if a share may not request the view's action."""
    if view.action not in getattr(view, "shared", ()):
        raise InsufficientScope("a link to a study reads only what the study's page shows")


def _check_permission(request: Request, view: Any) -> None:
    """Raise `InsufficientScope` if a staff user may not see the objects in the admin, either."""
    permission = getattr(view, "staff_permission", "")
    user: Any = request.auth
    if permission and not user.has_perm(permission):
        raise InsufficientScope(f'this needs the permission "{permission}"')

"""Permission checks for the admin's actions on studies beyond Django's four permissions."""

from typing import Any

from django.http import HttpRequest


def may_change_states(request: HttpRequest) -> bool:
    """Whether the user may change the states of studies, and correct their trials."""
    user: Any = request.user
    return bool(user.has_perm("studies.change_study"))


def may_clone(request: HttpRequest) -> bool:
    """Whether the user may see studies and create new ones."""
    user: Any = request.user
    return bool(user.has_perms(["studies.view_study", "studies.add_study"]))


def may_view_trials(request: HttpRequest) -> bool:
    """Whether the user may see studies with all their trials."""
    user: Any = request.user
    return bool(user.has_perms(["studies.view_study", "trials.view_trial"]))


def may_share(request: HttpRequest) -> bool:
    """Whether the user may create and revoke links, which show what the user sees of a study."""
    return may_change_states(request) and may_view_trials(request)


def may_view_audit(request: HttpRequest) -> bool:
    """Whether the user may see the audit log."""
    user: Any = request.user
    return bool(user.has_perm("access.view_auditentry"))

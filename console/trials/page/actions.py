"""The buttons on a trial's page: to retry it, to invalidate its result, to cancel it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.http import require_POST

from access.actors import Actor
from console.studies.permissions import may_change_states
from console.trials.actions import MAX_REASON
from studies.models import NamedStudy
from trials.domain import cancel_trial, invalidate_trial, retry_trial
from trials.models import Trial
from tuner_project.errors import DomainError


@dataclass(frozen=True)
class TrialAction:
    """A button, for the trials of which `is_for` is true."""

    name: str
    label: str
    done: str
    is_for: Callable[[Trial], bool]
    act: Callable[..., Any]
    needs_reason: bool = False


ACTIONS = {
    each.name: each
    for each in (
        TrialAction(
            "retry",
            "Queue it again",
            "queued again",
            lambda trial: (
                trial.state == "FAIL" and not trial.infeasible and trial.retried_as is None
            ),
            retry_trial,
        ),
        TrialAction(
            "invalidate",
            "Invalidate its result",
            "result invalidated",
            lambda trial: trial.state in ("COMPLETE", "PRUNED"),
            invalidate_trial,
            needs_reason=True,
        ),
        TrialAction(
            "cancel",
            "Cancel it",
            "cancelled",
            lambda trial: trial.state == "WAITING",
            cancel_trial,
        ),
    )
}


def allowed_actions(trial: Trial) -> list[TrialAction]:
    """Return the actions that a trial's state allows."""
    return [each for each in ACTIONS.values() if each.is_for(trial)]


@require_POST
def action_view(
    request: HttpRequest, trial: Trial, model_admin: Any, *, action: str
) -> HttpResponse:
    """Act on a trial, log it, and redirect to its page, which shows what was done or refused.

    Raises:
        PermissionDenied: The user may not change trials.
        Http404: There is no such action.
    """
    if not may_change_states(request):
        raise PermissionDenied
    if action not in ACTIONS:
        raise Http404
    chosen = ACTIONS[action]
    page = HttpResponseRedirect(reverse("admin:trials_trial_change", args=[trial.pk]))
    more: dict[str, Any] = {}
    if chosen.needs_reason:
        more["reason"] = request.POST.get("reason", "").strip()[:MAX_REASON]
        if not more["reason"] or "\0" in more["reason"]:
            model_admin.message_user(request, "Enter a reason.", messages.WARNING)
            return page
    named = NamedStudy(trial.study.name)
    try:
        chosen.act(actor=Actor.of_session(request), named=named, number=trial.number, **more)
    except DomainError as error:
        model_admin.message_user(request, error.detail, messages.WARNING)
        return page
    model_admin.log_change(request, trial, chosen.done)
    text = f"trial {trial.number}: {chosen.done}"
    model_admin.message_user(request, text, messages.SUCCESS)
    return page

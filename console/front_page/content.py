"""What the front page shows a user, by the user's permissions.

It takes a fixed number of statements, each of which reads a bounded number of rows.
"""

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from access.models import Token
from analysis.overview.activity import activities
from analysis.overview.concerns import Concern, concerns
from analysis.overview.durations import in_largest_unit
from analysis.overview.expiring_tokens import expiring_tokens
from analysis.overview.running import UNSHOWN, RunningStudy, running_studies
from console import display
from console.front_page.sparkline import sparkline
from console.studies import columns
from console.studies.permissions import may_view_trials
from studies.enums import StudyState
from studies.models import Study

MAX_RUNNING = 8
MAX_LINES = 8
MAX_LATEST = 8
MAX_TEXT = 220  # characters of a sentence


@dataclass(frozen=True)
class Line:
    """A sentence about what `name` names; `kind` is a word before it."""

    kind: str
    name: str
    url: str
    text: str
    trial_url: str = ""


def front_page(request: HttpRequest) -> dict[str, Any]:
    """Return the context of the front page."""
    user: Any = request.user
    sees_studies, sees_tokens = user.has_perm("studies.view_study"), _sees_tokens(request)
    found = activities() if sees_studies else []
    running = running_studies(found[:MAX_RUNNING])
    lines: list[Line] = []
    if sees_studies:
        has_links = may_view_trials(request)
        open_ones = [each.study for each in running if each.study.state == StudyState.ACTIVE]
        lines += [_line_of_concern(each, has_links) for each in concerns(found, open_ones)]
    if sees_tokens:
        lines += map(_line_of_token, expiring_tokens())
    return {
        "sees_studies": sees_studies,
        "sees_attention": sees_studies or sees_tokens,
        "running": [_running(each) for each in running],
        "n_more_running": len(found) - len(running),
        "attention": lines[:MAX_LINES],
        "n_more_attention": max(0, len(lines) - MAX_LINES),
        "latest": _latest() if sees_studies else [],
        "now": display.timestamp(timezone.now()),
    }


def _sees_tokens(request: HttpRequest) -> bool:
    user: Any = request.user
    return bool(user.has_perm("access.view_token"))


def _latest() -> list[dict[str, Any]]:
    """Return what the template shows of the studies that were created last."""
    return [
        {
            "url": _study_url(study.pk),
            "name": display.truncated(study.name, 60),
            "state": display.state_badge(study.state),
            "n_trials": study.n_trials,
            **_best(study),
            "created": display.timestamp(study.created_at),
        }
        for study in Study.objects.defer(*UNSHOWN).order_by("-created_at", "-id")[:MAX_LATEST]
    ]


def _best(study: Study) -> dict[str, str]:
    """Return the best value, and of what it is the best."""
    return {
        "best": display.truncated(display.numbers(study.best_values), 60),
        "best_of": display.truncated(columns.directions(study), 60),
    }


def _study_url(study_id: int) -> str:
    return reverse("admin:studies_study_change", args=[study_id])


def _running(each: RunningStudy) -> dict[str, Any]:
    """Return what the template shows of a running study."""
    study, progress = each.study, each.progress
    rate, eta = progress.rate_per_hour, progress.eta
    return {
        "study": study,
        "url": _study_url(study.pk),
        # Of a budget those that count, else all that have ended.
        "n_done": progress.n_done if study.max_trials is None else study.n_counted_done,
        "n_target": study.max_trials,
        "pace": display.EMPTY if rate is None else f"{float(f'{rate:.3g}'):,g}\N{NO-BREAK SPACE}/h",
        "eta": None if eta is None else in_largest_unit(eta - progress.now),
        **_best(study),
        "sparkline": sparkline(each.curve, study.n_trials),
    }


def _line_of_concern(concern: Concern, has_links: bool) -> Line:
    trial_url = ""
    if concern.number is not None and has_links:
        trial_url = reverse("admin:studies_study_trial", args=[concern.study_id, concern.number])
    return Line(
        concern.kind.name.lower(),
        display.truncated(concern.study_name, 60),
        _study_url(concern.study_id),
        display.truncated(concern.text, MAX_TEXT),
        trial_url,
    )


def _line_of_token(token: Token) -> Line:
    when = display.timestamp(token.expiry_date)
    text = "has expired" if token.is_expired else "expires soon"
    url = reverse("admin:access_token_change", args=[token.pk])
    return Line("token", display.truncated(token.name, 60), url, f"{text}: {when}")

"""The states of a study as a line of time, and as a list with who changed them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from access.models.audit_entry import Action, AuditEntry, SubjectKind
from console import display
from console.studies.permissions import may_view_audit
from studies.enums import StudyState
from studies.models import Study

MAX_CHANGES = 50  # the latest ones are shown
WIDTH = 1000

_RECORDED_AS = {
    StudyState.ACTIVE: Action.RESUMED,
    StudyState.PAUSED: Action.PAUSED,
    StudyState.COMPLETED: Action.COMPLETED,
    StudyState.CANCELLED: Action.CANCELLED,
}


@dataclass(frozen=True)
class Change:
    """A change of the state; `actor` is "" where it is not known, or not to be seen."""

    state: str
    at: datetime
    reason: str
    actor: str = ""

    @property
    def badge(self) -> SafeString:
        return display.state_badge(self.state)

    @property
    def time(self) -> SafeString | str:
        return display.timestamp(self.at)


def state_line(study: Study, request: HttpRequest) -> dict[str, Any]:
    """Return the context of the states: a line, the changes, oldest first, and how many are cut."""
    stored = study.state_history[-MAX_CHANGES:]
    actors = _actors(study, stored) if may_view_audit(request) else [""] * len(stored)
    changes = [
        Change(
            each["state"],
            datetime.fromisoformat(each["datetime"]),
            display.truncated(each["reason"] or "", 300),
            actor,
        )
        for each, actor in zip(stored, actors, strict=True)
    ]
    n_left_out = len(study.state_history) - len(changes)
    created = [] if n_left_out else [Change(StudyState.ACTIVE, study.created_at, "created")]
    return {
        "state_line": _line([*created, *changes], study),
        "state_changes": [*created, *changes],
        "n_earlier_changes": n_left_out,
    }


def _actors(study: Study, stored: Sequence[dict[str, Any]]) -> list[str]:
    """Return who made the changes, by the audit log, which has the same ones in the same order.

    Earlier entries may have been purged: the latest entries are those of the latest changes.
    """
    entries = AuditEntry.objects.filter(
        subject_id=study.pk,
        kind=SubjectKind.STUDY,
        action__in=list(_RECORDED_AS.values()),
    ).order_by("-id")[: len(stored)]
    actors: list[str] = []
    for change, entry in zip(reversed(stored), entries, strict=False):
        if _RECORDED_AS[StudyState(change["state"])] != entry.action:
            break
        actors.append(entry.actor)
    return [*[""] * (len(stored) - len(actors)), *reversed(actors)]


def _line(changes: Sequence[Change], study: Study) -> SafeString | str:
    """Return a bar of the states from the first change until now, or until the study's end."""
    if not changes:
        return ""
    end = timezone.now() if study.is_open else changes[-1].at
    start = changes[0].at
    whole = (end - start).total_seconds()
    if whole <= 0:
        return ""
    bounds = [*(each.at for each in changes), end]
    parts = []
    for each, since, until in zip(changes, bounds[:-1], bounds[1:], strict=True):
        x = WIDTH * (since - start).total_seconds() / whole
        width = max(0.0, WIDTH * (until - since).total_seconds() / whole)
        parts.append((f"{x:.1f}", f"{width:.1f}", each.state.lower()))
    return format_html(
        '<svg class="tuner-states" viewBox="0 0 {} 10" preserveAspectRatio="none" '
        'aria-hidden="true">{}</svg>',
        WIDTH,
        format_html_join(
            "", '<rect x="{}" y="0" width="{}" height="10" class="tuner-fill-{}"/>', parts
        ),
    )

"""Audit entries for changes to studies."""

from typing import Any

from access.actors import Actor
from access.domain.audit import Change, record
from access.models.audit_entry import Action, SubjectKind
from studies.models import Study


def record_study(actor: Actor, action: Action, study: Study, **details: Any) -> None:
    """Record a change to a study in the audit log; `details` are a few short values."""
    record(actor, study_change(action, study, **details))


def study_change(action: Action, study: Study, **details: Any) -> Change:
    """Return a change to a study, for `record`."""
    return Change(action, SubjectKind.STUDY, study.name, study.id, details=details)

"""The audit of what is done with studies."""

from typing import Any

from access.actors import Actor
from access.domain.audit import Change, record
from access.models.audit_entry import Action, SubjectKind
from studies.models import Study


def record_study(actor: Actor, action: Action, study: Study, **details: Any) -> None:
    """Record what was done with a study; `details` are few and short."""
    record(actor, study_change(action, study, **details))


def study_change(action: Action, study: Study, **details: Any) -> Change:
    """What was done with a study, for `record`."""
    return Change(action, SubjectKind.STUDY, study.name, study.id, details=details)

"""Writing to the audit log. A use case records its changes in the transaction that makes them.

Asks, reports and heartbeats are not recorded: for an ask, the trial itself has the time and the
worker.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from access.actors import Actor
from access.models.audit_entry import Action, SubjectKind
from tuner_project.db.prepared import run

MAX_TEXT = 200  # characters of a reason that are kept

_OF_ACTOR = ("actor_kind", "actor_name", "actor_id", "address", "request_id")
_OF_CHANGE = ("action", "kind", "subject", "subject_id", "numbers", "details")
_COLUMNS = ", ".join((*_OF_ACTOR, *_OF_CHANGE))
_INSERT = (
    f"INSERT INTO access_auditentry ({_COLUMNS}) SELECT {_COLUMNS} "
    "FROM json_populate_recordset(NULL::access_auditentry, %(rows)s)"
)


@dataclass(frozen=True)
class Change:
    """A change to record: an `AuditEntry` without actor and time.

    Attributes:
        subject, subject_id: The name and the id of the study or token.
        numbers: The numbers of the changed trials, if trials of the study were changed.
        details: A few short values.
    """

    action: Action
    kind: SubjectKind
    subject: str
    subject_id: int
    numbers: Sequence[int] = ()
    details: Mapping[str, Any] = field(default_factory=dict)


def record(actor: Actor, *changes: Change) -> None:
    """Store an audit entry for each change, in one statement.

    No result is read, so within `pipelined()` this costs no round trip.
    """
    if not changes:
        return
    origin = actor.kind, actor.name, actor.id, actor.address, actor.request_id
    of_actor = dict(zip(_OF_ACTOR, origin, strict=True))
    rows = [of_actor | {name: getattr(change, name) for name in _OF_CHANGE} for change in changes]
    run(_INSERT, {"rows": json.dumps(rows)})


def shortened(text: str) -> str:
    """Truncate a text to the length that the audit log stores."""
    return text if len(text) <= MAX_TEXT else f"{text[: MAX_TEXT - 1]}…"

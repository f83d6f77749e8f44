"""Writing the audit: each change is noted by a receiver, in the transaction that makes it.

What asks for, reports of, or keeps a trial alive is not: the trial itself says so.
"""

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from access.current import current_caller, current_request
from access.models.audit_entry import ActorKind, AuditEntry
from tuner_project.db.prepared import run
from tuner_project.observability.request_id import current_request_id
from tuner_project.security.client_address import client_address

MAX_TEXT = 200  # characters of a reason that are kept

_COLUMNS = (
    "actor_kind",
    "actor_name",
    "actor_id",
    "address",
    "request_id",
    "action",
    "kind",
    "subject",
    "subject_id",
    "numbers",
    "details",
)
_INSERT = (
    f"INSERT INTO access_auditentry ({', '.join(_COLUMNS)}) SELECT {', '.join(_COLUMNS)} "
    "FROM json_populate_recordset(NULL::access_auditentry, %(rows)s)"
)

_by_itself: ContextVar[bool] = ContextVar("by_itself", default=False)
_one_entry: ContextVar[bool] = ContextVar("one_entry", default=False)


@contextmanager
def by_itself() -> Iterator[None]:
    """What changes in the block is the service's own doing, in whosoever's request it shows."""
    token = _by_itself.set(True)
    try:
        yield
    finally:
        _by_itself.reset(token)


@contextmanager
def one_entry() -> Iterator[None]:
    """What changes in the block is not noted: it is parts of what is noted after it."""
    token = _one_entry.set(True)
    try:
        yield
    finally:
        _one_entry.reset(token)


def record(entries: Sequence[AuditEntry]) -> None:
    """Store entries of whoever acts now: in one statement, which a pipeline need not wait for."""
    if not entries or _one_entry.get():
        return
    actor = _actor()
    rows = [{name: actor.get(name, getattr(entry, name)) for name in _COLUMNS} for entry in entries]
    run(_INSERT, {"rows": json.dumps(rows)})


def shortened(text: str) -> str:
    return text if len(text) <= MAX_TEXT else f"{text[: MAX_TEXT - 1]}…"


def _actor() -> dict[str, Any]:
    request = current_request()
    address = None if request is None else client_address(request) or None
    where = {"address": address, "request_id": current_request_id() or ""}
    if _by_itself.get():
        return where | {"actor_kind": ActorKind.SERVICE}
    if request is None:
        return where | {"actor_kind": ActorKind.COMMAND, "actor_name": _command()}
    caller = current_caller()
    if caller is None:
        return where | {"actor_kind": ActorKind.ANYBODY}
    kind, actor_id = ActorKind.TOKEN, caller.token_id
    if actor_id is None:
        kind, actor_id = ActorKind.USER, caller.user_id
    return where | {"actor_kind": kind, "actor_name": caller.name, "actor_id": actor_id}


def _command() -> str:
    """What the process was started as, such as `manage.py purge`."""
    program = Path(sys.argv[0]).name
    words = sys.argv[:2] if program == "manage.py" else sys.argv[:1]
    return " ".join([program, *words[1:]])[: AuditEntry._meta.get_field("actor_name").max_length]

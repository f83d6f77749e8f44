"""Events as a text for Slack, and for those that understand its messages."""

import json
from collections.abc import Callable
from typing import Any

from events.enums import PING, EventType

MAX_TEXT = 1000  # characters


def slack_text(kind: str, data: dict[str, Any]) -> str:
    """Return an event as one line in Slack's format, whose control characters are escaped."""
    text = _TEXTS[kind](data) if kind in _TEXTS else _unknown(kind)
    if kind != PING:
        text = f"Study “{data['study_name']}” {text}"
    short = text if len(text) <= MAX_TEXT else f"{text[: MAX_TEXT - 1]}…"
    # https://docs.slack.dev/messaging/formatting-message-text/#escaping
    return short.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _unknown(kind: str) -> str:
    """Return the text of an event that a process of a later version has written."""
    return f"has an event {kind}"


def _values(data: dict[str, Any]) -> str:
    values = data["values"]
    return ", ".join(f"{value:.6g}" for value in values) if values else "none"


def _because(data: dict[str, Any]) -> str:
    return f": {data['reason']}" if data.get("reason") else ""


def _completed(data: dict[str, Any]) -> str:
    best = data["best_trial_id"]
    found = "no trial completed" if best is None else f"best is trial {best} with {_values(data)}"
    return f"is {data['state'].lower()}{_because(data)}; {found}"


def _new_best(data: dict[str, Any]) -> str:
    params = json.dumps(data["params"], ensure_ascii=False)
    return f"has a new best trial, {data['trial_id']}, with {_values(data)}: {params}"


def _failing(data: dict[str, Any]) -> str:
    return (
        f"is failing: the last {data['n_consecutive_failures']} trials have failed; "
        f"it is {data['state'].lower()}"
    )


def _stalled(data: dict[str, Any]) -> str:
    return (
        f"has stalled: no results and no signs of life since {data['since'][:19]} UTC; "
        f"{data['n_running']} trials are running, {data['n_waiting']} are queued"
    )


def _failed(data: dict[str, Any]) -> str:
    return f"trial {data['trial_id']} has failed{_because(data)}{_then(data)}"


def _lost(data: dict[str, Any]) -> str:
    worker = f" of worker {data['worker_id']}" if data["worker_id"] else ""
    return f"trial {data['trial_id']}{worker} has lost its lease{_because(data)}{_then(data)}"


def _then(data: dict[str, Any]) -> str:
    return f"; retried as trial {data['retried_as']}" if data["will_be_retried"] else ""


_TEXTS: dict[str, Callable[[dict[str, Any]], str]] = {
    PING: lambda data: f"A test message of the tuner to webhook “{data['name']}”",
    EventType.STUDY_CREATED: lambda data: "was created",
    EventType.STUDY_COMPLETED: _completed,
    EventType.STUDY_NEW_BEST: _new_best,
    EventType.STUDY_FAILING: _failing,
    EventType.STUDY_STALLED: _stalled,
    EventType.TRIAL_FAILED: _failed,
    EventType.TRIAL_LEASE_LOST: _lost,
}

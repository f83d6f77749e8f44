"""The messages: bodies, signatures, Slack."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from rest_framework.test import APIClient

from events.delivery.claims import claim_due
from events.delivery.messages import Message, headers_of, signature
from events.delivery.slack import MAX_TEXT, slack_text
from events.enums import EventType, WebhookFormat
from events.models import Webhook
from tests.support import ROOT
from tests.support.api_client import create_study, start_trial, trial_action
from tests.support.events import create_webhook

NOW = datetime(2030, 1, 31, 12, tzinfo=UTC)


def documented_verification() -> Any:
    """The function of docs/events.md that verifies a message."""
    text = Path(ROOT, "docs/events.md").read_text()
    program = text.split("```python\n")[1].split("```")[0]
    names: dict[str, Any] = {}
    exec(program, names)  # noqa: S102  (of our own document)
    return names["verify"]


def test_signature_is_that_of_the_standards_example() -> None:
    """The example of the reference implementations."""
    found = signature(
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "1614265330",
        b'{"test": 2432232314}',
    )
    assert found == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_documented_program_verifies_a_message(api: APIClient) -> None:
    verify = documented_verification()
    created = create_webhook(api)
    webhook = Webhook.objects.get()
    body = b'{"type": "study.created"}'
    now = datetime.now(UTC)
    headers = headers_of(webhook, "msg_1", body, now)
    assert verify(created["secret"], headers, body) == {"type": "study.created"}
    for wrong in (
        {**headers, "webhook-id": "msg_2"},
        {**headers, "webhook-signature": "v1,AAAA"},
        headers_of(webhook, "msg_1", body, now - timedelta(minutes=6)),
    ):
        with pytest.raises(ValueError, match=r"signature|old"):
            verify(created["secret"], wrong, body)
    with pytest.raises(ValueError, match="signature"):
        verify(created["secret"], headers, body + b" ")


def test_both_secrets_sign_for_a_day_after_a_rotation(api: APIClient) -> None:
    verify = documented_verification()
    created = create_webhook(api)
    rotated = api.post(f"/api/v1/webhooks/{created['id']}/rotate-secret").json()
    assert rotated["secret"] != created["secret"]
    webhook = Webhook.objects.get()
    now = datetime.now(UTC)
    headers = headers_of(webhook, "msg_1", b"{}", now)
    assert len(headers["webhook-signature"].split()) == 2
    for secret in (created["secret"], rotated["secret"]):
        assert verify(secret, headers, b"{}") == {}
    later = headers_of(webhook, "msg_1", b"{}", now + timedelta(days=1, seconds=9))
    assert later["webhook-signature"] == signature(
        rotated["secret"], "msg_1", later["webhook-timestamp"], b"{}"
    )


def test_message_names_its_study_and_is_the_same_in_each_attempt(api: APIClient) -> None:
    create_webhook(api, events=["trial.failed"])
    study = create_study(api, name="süch", direction="minimize")
    trial_action(api, start_trial(api, "süch"), "fail", "süch", reason="no memory")
    [delivery] = claim_due(9, busy=[])
    message = Message.of(delivery)
    body = json.loads(message.body(WebhookFormat.STANDARD))
    assert list(body) == ["type", "timestamp", "data"]
    assert body["type"] == "trial.failed"
    assert datetime.fromisoformat(body["timestamp"]).tzinfo is not None
    first = {"study_name": "süch", "study_id": study["study_id"], "event": 2, "trial_id": 0}
    assert dict(list(body["data"].items())[:4]) == first
    assert body["data"]["reason"] == "no memory"
    delivery.refresh_from_db()
    assert Message.of(delivery) == message
    slack = json.loads(message.body(WebhookFormat.SLACK))
    assert slack == {"text": "Study “süch” trial 0 has failed: no memory"}


STUDY: dict[str, Any] = {"study_name": "a<b>&c", "study_id": 1, "event": 1}
DATA: dict[str, dict[str, Any]] = {
    EventType.STUDY_CREATED: {"direction": "minimize", "sampler": "tpe", "max_trials": None},
    EventType.STUDY_COMPLETED: {
        "state": "COMPLETED",
        "reason": "max_trials",
        "best_trial_id": 3,
        "values": [0.123456789, 2],
        "params": {},
    },
    EventType.STUDY_NEW_BEST: {
        "trial_id": 3,
        "values": [1e-9],
        "params": {"lr": 0.1, "ü": "<!here>"},
    },
    EventType.STUDY_FAILING: {"n_consecutive_failures": 10, "state": "PAUSED"},
    EventType.STUDY_STALLED: {
        "since": "2030-01-31T12:00:00.5+00:00",
        "n_running": 2,
        "n_waiting": 1,
    },
    EventType.TRIAL_FAILED: {
        "trial_id": 3,
        "reason": None,
        "worker_id": None,
        "attempt": 1,
        "will_be_retried": True,
        "retried_as": 4,
    },
    EventType.TRIAL_LEASE_LOST: {
        "trial_id": 3,
        "reason": "lease expired",
        "worker_id": "w",
        "attempt": 1,
        "will_be_retried": False,
        "retried_as": None,
    },
}
TEXTS = {
    EventType.STUDY_CREATED: "was created",
    EventType.STUDY_COMPLETED: "is completed: max_trials; best is trial 3 with 0.123457, 2",
    EventType.STUDY_NEW_BEST: "has a new best trial, 3, with 1e-09: "
    '{"lr": 0.1, "ü": "&lt;!here&gt;"}',
    EventType.STUDY_FAILING: "is failing: the last 10 trials have failed; it is paused",
    EventType.STUDY_STALLED: "has stalled: no results and no signs of life since "
    "2030-01-31T12:00:00 UTC; 2 trials are running, 1 are queued",
    EventType.TRIAL_FAILED: "trial 3 has failed; retried as trial 4",
    EventType.TRIAL_LEASE_LOST: "trial 3 of worker w has lost its lease: lease expired",
}


@pytest.mark.parametrize("kind", list(EventType))
def test_each_event_has_a_text_without_control_characters(kind: EventType) -> None:
    text = slack_text(kind, STUDY | DATA[kind])
    assert text == f"Study “a&lt;b&gt;&amp;c” {TEXTS[kind]}"


def test_event_of_a_later_version_has_a_text() -> None:
    """While versions are mixed in a deployment, it does not end the process that delivers."""
    assert (
        slack_text("study.renamed", STUDY) == "Study “a&lt;b&gt;&amp;c” has an event study.renamed"
    )


def test_text_is_short() -> None:
    data = STUDY | {"trial_id": 3, "values": [1.0], "params": {"x": "&" * 5000}}
    text = slack_text(EventType.STUDY_NEW_BEST, data)
    assert text.replace("&amp;", "&").endswith("…")
    assert len(text.replace("&amp;", "&").replace("&lt;", "<").replace("&gt;", ">")) == MAX_TEXT

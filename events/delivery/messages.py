"""The messages that are sent: bodies, and signatures as Standard Webhooks defines them.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import base64
import hashlib
import hmac
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from events.delivery.slack import slack_text
from events.enums import PING, WebhookFormat
from events.models import Delivery, Webhook
from tuner_project import __version__

# For how long after a rotation messages are signed with the secret before, too.
OLD_SECRET_COUNTS = timedelta(days=1)


@dataclass(frozen=True)
class Message:
    """What is sent: everything but the time and the signature."""

    id: str
    type: str
    created_at: datetime
    data: dict[str, Any]

    @classmethod
    def of(cls, delivery: Delivery) -> "Message":
        """Return the message of a delivery, which is the same in each attempt."""
        event = delivery.event
        if event is None:
            data = {"webhook_id": delivery.webhook_id, "name": delivery.webhook.name}
            return cls(f"msg_{delivery.message_id.hex}", PING, delivery.created_at, data)
        study = {"study_name": event.study.name, "study_id": event.study_id}
        data = {**study, "event": event.number, **event.data}
        return cls(f"msg_{event.message_id.hex}", event.type, event.created_at, data)

    def body(self, kind: str) -> bytes:
        """Return the body in a webhook's format."""
        timestamp = self.created_at.astimezone(UTC).isoformat()
        content: dict[str, Any] = {"type": self.type, "timestamp": timestamp, "data": self.data}
        if kind == WebhookFormat.SLACK:
            content = {"text": slack_text(self.type, self.data)}
        return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()


def headers_of(webhook: Webhook, message_id: str, body: bytes, now: datetime) -> dict[str, str]:
    """Return the headers of an attempt that begins now, with its signatures."""
    timestamp = str(int(now.timestamp()))
    signatures = [signature(each, message_id, timestamp, body) for each in _secrets(webhook, now)]
    return {
        "Content-Type": "application/json",
        "User-Agent": f"tuner/{__version__}",
        "webhook-id": message_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(signatures),
    }


def signature(secret: str, message_id: str, timestamp: str, body: bytes) -> str:
    """Return the signature of a message by a secret `whsec_…`."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{message_id}.{timestamp}.".encode() + body
    digest = hmac.new(key, signed, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode()}"


def _secrets(webhook: Webhook, now: datetime) -> list[str]:
    rotated_at = webhook.rotated_at
    if webhook.previous_secret and rotated_at and now - rotated_at < OLD_SECRET_COUNTS:
        return [webhook.secret, webhook.previous_secret]
    return [webhook.secret]

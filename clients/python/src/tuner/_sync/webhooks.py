"""Webhooks: where the service sends events."""

from typing import Any

from tuner._sync.transport import Transport
from tuner._wire.requests import Request
from tuner.answers import Webhook

PATH = "/webhooks"
PAGE = 1000


class Webhooks:
    """The part of a client that manages webhooks."""

    transport: Transport

    def create_webhook(self, name: str, url: str, **more: Any) -> Webhook:
        """Create a webhook, and return it with its `secret`, which is not answered again.

        Args:
            name: who receives it.
            url: where events are sent.
            more: keys of the API's `createWebhook`: `studies`, `events`, `format`.

        Raises:
            Invalid: the URL cannot be used, or leads to a private address.
            Forbidden: `studies` has names that the token may not see.
        """
        body = {"name": name, "url": url, **more}
        return self._webhook(Request("POST", PATH, body, is_repeatable=False))

    def webhooks(self) -> list[Webhook]:
        """Return the webhooks, the oldest first."""
        answer = self.transport.json(Request("GET", PATH, query={"limit": PAGE}))
        return [Webhook.read(webhook) for webhook in answer]

    def get_webhook(self, webhook_id: int) -> Webhook:
        """Return a webhook, with its last success and failure."""
        return self._webhook(Request("GET", f"{PATH}/{webhook_id:d}"))

    def update_webhook(self, webhook_id: int, **changes: Any) -> Webhook:
        """Change a webhook; `enabled=True` enables one that was disabled."""
        return self._webhook(Request("PATCH", f"{PATH}/{webhook_id:d}", changes))

    def rotate_webhook_secret(self, webhook_id: int) -> Webhook:
        """Give a webhook a new `secret`, and return it with that."""
        path = f"{PATH}/{webhook_id:d}/rotate-secret"
        return self._webhook(Request("POST", path, is_repeatable=False))

    def ping_webhook(self, webhook_id: int) -> Webhook:
        """Let a test message be sent to a webhook."""
        return self._webhook(Request("POST", f"{PATH}/{webhook_id:d}/ping"))

    def delete_webhook(self, webhook_id: int) -> None:
        """Delete a webhook."""
        self.transport.send(Request("DELETE", f"{PATH}/{webhook_id:d}"))

    def _webhook(self, request: Request) -> Webhook:
        return Webhook.read(self.transport.json(request))

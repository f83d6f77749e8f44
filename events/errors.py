"""The errors of events and webhooks."""

from tuner_project.errors import DomainError


class CursorAhead(DomainError):
    """The study has fewer events than the cursor says: it was created again, or restored."""

    status = 409
    code = "cursor_ahead"


class WebhookNotFound(DomainError):
    """There is no webhook with this id, or the token may not see it."""

    status = 404
    code = "webhook_not_found"

    @classmethod
    def with_id(cls, webhook_id: int) -> "WebhookNotFound":
        return cls(f"there is no webhook {webhook_id}")


class InvalidWebhook(DomainError):
    """A webhook's URL cannot be used."""


class PatternNotCovered(DomainError):
    """The token may not see all studies that the webhook's pattern matches."""

    status = 403
    code = "pattern_not_covered"


class TooManyWebhooks(DomainError):
    """MAX_WEBHOOKS is reached."""

    status = 409
    code = "too_many_webhooks"


class WebhookDisabled(DomainError):
    """The webhook is disabled, so that nothing is sent to it."""

    status = 409
    code = "webhook_disabled"

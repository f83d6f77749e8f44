"""The path converter of the ids of webhooks."""

from django.urls import register_converter


class WebhookIdConverter:
    """A path converter for a webhook's id of at most nine digits."""

    regex = r"[1-9][0-9]{0,8}"

    def to_python(self, value: str) -> int:
        return int(value)

    def to_url(self, value: int) -> str:
        return str(value)


register_converter(WebhookIdConverter, "webhook_id")

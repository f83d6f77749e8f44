"""Misconfigurations that open a door."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Tags, Warning, register

from tuner_project.environment import is_loopback


@register(Tags.security)
def check_open_to_others(**kwargs: Any) -> list[CheckMessage]:
    """tuner.W001: whoever reaches the address may do everything."""
    if settings.AUTH_REQUIRED or is_loopback(settings.HOST):
        return []
    return [
        Warning(
            f"AUTH_REQUIRED is false, and the service listens at {settings.HOST}: whoever reaches "
            "it may read, change and delete every study.",
            hint="Set AUTH_REQUIRED=true and make tokens by `manage.py create_token`, or listen "
            "at 127.0.0.1.",
            id="tuner.W001",
        )
    ]

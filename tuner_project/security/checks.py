"""System checks for misconfigurations that expose the service."""

from typing import Any

from django.conf import settings
from django.core import checks

from tuner_project.environment import is_loopback


@checks.register(checks.Tags.security, deploy=True)
def check_https(app_configs: Any, **kwargs: Any) -> list[checks.CheckMessage]:
    """tuner.W003: warn that cookies and tokens may travel in plain text."""
    if settings.HTTPS:
        return []
    return [
        checks.Warning(
            "HTTPS is false: cookies and tokens may travel in plain text",
            hint="Put a proxy in front that ends TLS, and set HTTPS=true.",
            id="tuner.W003",
        )
    ]


@checks.register(checks.Tags.security)
def check_open_to_others(**kwargs: Any) -> list[checks.CheckMessage]:
    """tuner.W001: warn that all clients that reach the address have full access."""
    if settings.AUTH_REQUIRED or is_loopback(settings.HOST):
        return []
    return [
        checks.Warning(
            f"AUTH_REQUIRED is false, and the service listens at {settings.HOST}: any client that "
            "reaches it may read, change and delete everything.",
            hint=f"Set AUTH_REQUIRED=true and create tokens by `{settings.COMMAND} create_token`, "
            "or listen at 127.0.0.1.",
            id="tuner.W001",
        )
    ]

"""System checks of the frame."""

from typing import Any

from django.conf import settings
from django.core import checks


@checks.register(checks.Tags.security, deploy=True)
def check_https(app_configs: Any, **kwargs: Any) -> list[checks.CheckMessage]:
    if settings.HTTPS:
        return []
    return [
        checks.Warning(
            "HTTPS is false: cookies and tokens may travel in plain text",
            hint="Put a proxy in front that ends TLS, and set HTTPS=true.",
            id="tuner.W003",
        )
    ]

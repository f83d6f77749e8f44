"""The system check that warns of a service without authentication."""

from typing import Any

import pytest

from tuner_project.environment import is_loopback
from tuner_project.security.checks import check_open_to_others


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "::1", "localhost"])
def test_check_accepts_an_open_api_on_loopback(settings: Any, host: str) -> None:
    settings.AUTH_REQUIRED, settings.HOST = False, host
    assert is_loopback(host)
    assert check_open_to_others() == []


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.0.1", "tuner.example.org"])  # noqa: S104
def test_check_warns_of_an_open_api(settings: Any, host: str) -> None:
    settings.AUTH_REQUIRED, settings.HOST = False, host
    (warning,) = check_open_to_others()
    assert warning.id == "tuner.W001"
    assert host in warning.msg

    settings.AUTH_REQUIRED = True
    assert check_open_to_others() == []

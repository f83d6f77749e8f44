"""Receivers on this machine, for tests that allow webhooks to send to it."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.receivers import Receiver, running_receiver


@pytest.fixture
def allow_this_machine(settings: Any) -> None:
    settings.WEBHOOK_ALLOWED_HOSTS = ["127.0.0.1"]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with running_receiver() as running:
        yield running

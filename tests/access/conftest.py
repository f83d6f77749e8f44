from typing import Any

import pytest


@pytest.fixture(autouse=True)
def _tokens_are_required(settings: Any) -> None:
    settings.AUTH_REQUIRED = True

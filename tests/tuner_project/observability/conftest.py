from collections.abc import Callable

import pytest
from django.test import Client


@pytest.fixture
def scraped() -> Callable[[], str]:
    """The metrics as Prometheus would read them now."""

    def scrape() -> str:
        response = Client().get("/metrics")
        assert response.status_code == 200, response.content
        assert response["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
        return response.content.decode()

    return scrape

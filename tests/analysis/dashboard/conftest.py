import pytest
from rest_framework.test import APIClient

from console.dashboard.application import applications
from studies.models import Study
from tests.play import SEARCH, complete, create_study, start


@pytest.fixture(autouse=True)
def _nothing_is_remembered() -> None:
    applications.clear()


@pytest.fixture
def study(api: APIClient) -> Study:
    """A study with two completed trials and a running one."""
    create_study(api, user_attrs={"team": "vision"}, direction="minimize")
    for number, value in enumerate((0.5, 0.25)):
        start(api)
        steps = {"intermediate_values": {"1": value * 2}, "user_attrs": {"gpu": "a100"}}
        complete(api, SEARCH, number, value, **steps)
    start(api)
    return Study.objects.get()

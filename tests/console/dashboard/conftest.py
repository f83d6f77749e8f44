import pytest
from rest_framework.test import APIClient

from console.dashboard.application import applications
from studies.models import Study
from tests.support.api_client import STUDY_NAME, complete, create_study, start_trial


@pytest.fixture(autouse=True)
def _nothing_is_remembered() -> None:
    applications.clear()


@pytest.fixture
def study(api: APIClient) -> Study:
    """A study with two completed trials and a running one."""
    create_study(api, user_attrs={"team": "vision"}, direction="minimize")
    for number, value in enumerate((0.5, 0.25)):
        start_trial(api)
        steps = {"intermediate_values": {"1": value * 2}, "user_attrs": {"gpu": "a100"}}
        complete(api, STUDY_NAME, number, value, **steps)
    start_trial(api)
    return Study.objects.get()

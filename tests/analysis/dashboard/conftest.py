from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from rest_framework.test import APIClient

from analysis.dashboard.application import applications
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


@pytest.fixture
def staff(db: None, django_user_model: Any) -> Callable[..., Client]:
    """Logs in somebody of the staff who has the named permissions only."""

    def logged_in(*codenames: str) -> Client:
        user = django_user_model.objects.create_user("staff", is_staff=True)
        user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
        client = Client()
        client.force_login(user)
        return client

    return logged_in

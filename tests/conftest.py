from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client
from rest_framework.test import APIClient

from optuna_bridge.storage import SCHEMA
from trials.sampling.session_registry import session_registry
from tuner_project import health

SPACE = [
    {"type": "float", "name": "learning_rate", "low": 0.0001, "high": 0.1, "log": True},
    {"type": "float", "name": "min_score", "low": 0.6, "high": 0.9, "step": 0.05},
    {"type": "int", "name": "batch_size", "low": 16, "high": 128, "step": 16},
    {"type": "categorical", "name": "optimizer", "choices": ["adam", "sgd", "rmsprop"]},
]


@pytest.fixture(scope="session", autouse=True)
def _nothing_is_slow_on_purpose() -> None:
    """Clients of the tests look for no static files at start, and passwords are hashed quickly."""
    settings.WHITENOISE_AUTOREFRESH = True
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture(autouse=True)
def _probes_ask_anew() -> None:
    health.forget()


@pytest.fixture(autouse=True)
def _optuna_is_emptied(request: pytest.FixtureRequest, django_db_blocker: Any) -> Iterator[None]:
    """A transactional test ends with a truncation of Django's tables, which sends no signals."""
    yield
    session_registry.clear()
    if "transactional_db" in request.fixturenames or _is_transactional(request):
        with django_db_blocker.unblock(), connection.cursor() as cursor:
            cursor.execute(f"TRUNCATE {SCHEMA}.studies CASCADE")


def _is_transactional(request: pytest.FixtureRequest) -> bool:
    marker = request.node.get_closest_marker("django_db")
    return marker is not None and bool(marker.kwargs.get("transaction"))


@pytest.fixture
def api(db: None) -> APIClient:
    """A client of the REST API that sends JSON."""
    client = APIClient()
    client.default_format = "json"
    return client


@pytest.fixture
def study(api: APIClient) -> dict[str, Any]:
    """A study of four parameters, created over the API."""
    response = api.post("/api/v1/studies", {"name": "search", "search_space": SPACE})
    assert response.status_code == 201, response.content
    return response.json()


@pytest.fixture
def staff_client(db: None, django_user_model: Any) -> Callable[..., Client]:
    """Logs in somebody of the staff who has the named permissions only."""
    from django.contrib.auth.models import Permission  # once the apps are ready

    def logged_in(*codenames: str, name: str = "staff") -> Client:
        user = django_user_model.objects.create_user(name, is_staff=True)
        user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
        client = Client()
        client.force_login(user)
        return client

    return logged_in

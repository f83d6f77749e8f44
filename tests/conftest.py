from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client
from rest_framework.test import APIClient

from access.domain.tokens import create_token
from access.models import Token
from access.scopes import Scope
from optuna_bridge.storage import SCHEMA
from tests.support.api_client import authorized_client
from tests.support.study_builders import COMMAND, MIXED_SPACE
from trials.sampling.session_registry import session_registry
from tuner_project import health


@pytest.fixture(scope="session", autouse=True)
def _fast_static_files_and_passwords() -> None:
    """Look for no static files when a client is made, and hash passwords quickly."""
    settings.WHITENOISE_AUTOREFRESH = True
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture(autouse=True)
def _forget_health() -> None:
    health.forget()


@pytest.fixture(autouse=True)
def _empty_optuna_tables(request: pytest.FixtureRequest, django_db_blocker: Any) -> Iterator[None]:
    """Empty Optuna's tables after a transactional test, whose truncation sends no signals."""
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
    response = api.post("/api/v1/studies", {"name": "search", "search_space": MIXED_SPACE})
    assert response.status_code == 201, response.content
    return response.json()


@pytest.fixture
def staff_client(db: None, django_user_model: Any) -> Callable[..., Client]:
    """Logs in a member of the staff who has only the named permissions."""
    from django.contrib.auth.models import Permission  # once the apps are ready

    def logged_in(*codenames: str, name: str = "staff") -> Client:
        user = django_user_model.objects.create_user(name, is_staff=True)
        user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
        client = Client()
        client.force_login(user)
        return client

    return logged_in


@pytest.fixture
def token(db: None) -> Callable[..., tuple[Token, str]]:
    """Creates a token; returns it and its key."""

    def make(scope: str = "manage", **more: Any) -> tuple[Token, str]:
        name = more.pop("name", f"a {scope}")
        return create_token(actor=COMMAND, name=name, scope=Scope(scope), **more)

    return make


@pytest.fixture
def client_of(token: Callable[..., tuple[Token, str]]) -> Callable[..., APIClient]:
    """A client of the API with a new token of a scope."""

    def make(scope: str = "manage", **more: Any) -> APIClient:
        return authorized_client(token(scope, **more)[1])

    return make

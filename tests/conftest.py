from collections.abc import Callable, Iterator
from typing import Any

import hypothesis
import pytest
from django.conf import settings
from django.db import connection
from django.test import Client, TransactionTestCase
from rest_framework.test import APIClient

from access.domain.tokens import create_token
from access.models import Token
from access.scopes import Scope
from optuna_bridge.samplers.registry import missing_samplers
from studies.models.definitions import definitions
from tests.support.api_client import authorized_client
from tests.support.database import create_migrated_database, drop_database, empty_tables
from tests.support.service import Service, running_service_on_tests_server
from tests.support.study_builders import COMMAND, MIXED_SPACE
from trials.sampling.session_registry import session_registry
from tuner_project import health
from tuner_project.db.database import close_pool

# Property tests draw the same examples each time, so that a run of the tests repeats itself;
# `--hypothesis-profile=default` lets them draw others.
hypothesis.settings.register_profile("repeatable", derandomize=True)
hypothesis.settings.load_profile("repeatable")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip the tests of samplers that this installation cannot run."""
    for name, why in missing_samplers().items():
        for item in items:
            callspec = getattr(item, "callspec", None)
            if callspec is not None and name in callspec.params.values():
                item.add_marker(pytest.mark.skip(reason=f"sampler {name}: {why}"))


@pytest.fixture(scope="session", autouse=True)
def _fast_static_files_and_passwords() -> None:
    """Look for no static files when a client is made, and hash passwords quickly."""
    settings.WHITENOISE_AUTOREFRESH = True
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture(autouse=True)
def _forget_health() -> None:
    health.forget()


@pytest.fixture(scope="session")
def django_db_setup(
    django_test_environment: None, django_db_modify_db_settings: None, django_db_blocker: Any
) -> Iterator[None]:
    """Let Django work on a migrated database of this process, as pytest-django's fixture does."""
    with django_db_blocker.unblock():
        settings_of_tests = connection.settings_dict
        name = settings_of_tests["TEST"]["NAME"] or f"test_{settings_of_tests['NAME']}"
        create_migrated_database(name)
        close_pool()
        settings_of_tests["NAME"] = name
    yield
    with django_db_blocker.unblock():
        close_pool()
        drop_database(name)


@pytest.fixture(scope="session", autouse=True)
def _fast_end_of_transactional_tests() -> Iterator[None]:
    """Empty the tables with rows after a transactional test, not all tables as `flush` does."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransactionTestCase, "_fixture_teardown", lambda self: empty_tables())
        yield


@pytest.fixture(autouse=True)
def _forget_studies() -> Iterator[None]:
    yield
    session_registry.clear()
    definitions.clear()


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


@pytest.fixture(scope="session")
def service(django_db_setup: None) -> Iterator[Service]:
    """A service in processes of its own, for studies that each test names as no other does.

    Both schemas agree after the tests.
    """
    with running_service_on_tests_server() as service:
        yield service
        service.check_optuna()


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

from collections.abc import Callable
from typing import Any

import pytest
from rest_framework.test import APIClient

from access.domain.tokens import create_token
from access.models import Token
from access.scopes import Scope
from tests.actors import COMMAND


@pytest.fixture(autouse=True)
def _tokens_are_required(settings: Any) -> None:
    settings.AUTH_REQUIRED = True


@pytest.fixture
def token(db: None) -> Callable[..., tuple[Token, str]]:
    """Makes a token; answers it and its key."""

    def make(scope: str = "manage", **more: Any) -> tuple[Token, str]:
        name = more.pop("name", f"a {scope}")
        return create_token(actor=COMMAND, name=name, scope=Scope(scope), **more)

    return make


@pytest.fixture
def client_of(token: Callable[..., tuple[Token, str]]) -> Callable[..., APIClient]:
    """A client of the API with a new token of a scope."""

    def make(scope: str = "manage", **more: Any) -> APIClient:
        return bearer(token(scope, **more)[1])

    return make


def bearer(key: str) -> APIClient:
    """A client of the API that sends this key."""
    client = APIClient()
    client.default_format = "json"
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {key}")
    return client

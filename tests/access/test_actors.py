"""Actors, which use cases take as an argument."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest
from django.test import RequestFactory

from access.actors import SERVICE, Actor
from access.models import Token
from access.models.audit_entry import ActorKind
from access.scopes import Scope


@pytest.fixture
def request_of_client(rf: RequestFactory) -> HttpRequest:
    request = rf.get("/", REMOTE_ADDR="192.0.2.7")
    request.request_id = "an-id"  # type: ignore[attr-defined]
    return request


def test_actor_of_a_token_sees_what_its_pattern_names(
    token: Callable[..., tuple[Token, str]], request_of_client: HttpRequest
) -> None:
    made, _ = token("worker", name="gpu", studies="a-*")
    actor = Actor.of_token(made, request_of_client)
    assert actor == Actor(
        ActorKind.TOKEN,
        Scope.WORKER,
        name="gpu",
        id=made.pk,
        studies="a-*",
        address="192.0.2.7",
        request_id="an-id",
    )
    assert actor.token_id == made.pk
    assert (actor.sees("a-1"), actor.sees("b")) == (True, False)


def test_actor_of_a_session_is_its_staff_user(
    admin_user: Any, request_of_client: HttpRequest
) -> None:
    request_of_client.user = admin_user
    actor = Actor.of_session(request_of_client)
    assert (actor.kind, actor.name, actor.id) == (ActorKind.USER, "admin", admin_user.pk)
    assert (actor.address, actor.request_id) == ("192.0.2.7", "an-id")
    assert actor.token_id is None
    assert actor.sees("any")


@pytest.mark.parametrize("lacking", ["is_active", "is_staff"])
def test_actor_of_a_session_that_is_not_staffs_is_anonymous(
    admin_user: Any, request_of_client: HttpRequest, lacking: str
) -> None:
    setattr(admin_user, lacking, False)
    for user in (AnonymousUser(), admin_user):
        request_of_client.user = user
        actor = Actor.of_session(request_of_client)
        assert actor == Actor.anonymous(request_of_client)
        assert (actor.kind, actor.name, actor.address) == (ActorKind.ANYBODY, "", "192.0.2.7")


@pytest.mark.parametrize(
    ("argv", "name"),
    [
        (["./manage.py", "purge", "--dry-run"], "manage.py purge"),
        (["/venv/bin/tuner-server", "purge"], "tuner-server purge"),
        (["/usr/bin/pytest", "-q"], "pytest"),
        (["manage.py", "x" * 200], f"manage.py {'x' * 140}"),
    ],
)
def test_command_is_named_as_it_was_started(
    monkeypatch: pytest.MonkeyPatch, argv: list[str], name: str
) -> None:
    monkeypatch.setattr("sys.argv", argv)
    actor = Actor.command()
    assert (actor.kind, actor.name, actor.id) == (ActorKind.COMMAND, name, None)
    assert (actor.address, actor.request_id) == (None, "")


def test_service_acts_within_the_request_of_another_actor(request_of_client: HttpRequest) -> None:
    actor = SERVICE.within(Actor.anonymous(request_of_client))
    assert (actor.kind, actor.name, actor.id) == (ActorKind.SERVICE, "", None)
    assert (actor.address, actor.request_id) == ("192.0.2.7", "an-id")
    assert SERVICE.address is None

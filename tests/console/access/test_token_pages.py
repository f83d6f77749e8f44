"""Tokens in the admin: their key is shown once; they can be changed and revoked."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from access.domain.tokens import revoke_token
from access.models import Token
from access.scopes import Scope
from console.access.token_admin import TokenForm
from tests.support.api_client import authorized_client
from tests.support.study_builders import COMMAND

LIST = "/admin/access/token/"
MakeToken = Callable[..., tuple[Token, str]]


def make(client: Client, **fields: Any) -> Any:
    form = {"name": "gpu", "scope": "worker", "studies": "search-*", **fields}
    return client.post(f"{LIST}add/", form)


def test_token_is_shown_once(admin_client: Client) -> None:
    response = make(admin_client)

    assert response.status_code == 200
    assert "no-store" in response["Cache-Control"]
    (key,) = set(re.findall(r"[A-Za-z0-9]{8}\.[A-Za-z0-9]{32}", response.content.decode()))
    made = Token.objects.get()
    assert Token.objects.of_key(key) == made
    assert (made.name, made.scope, made.studies) == ("gpu", Scope.WORKER, "search-*")
    for path in ("", f"{made.pk}/change/", f"{made.pk}/history/"):
        page = admin_client.get(LIST + path).content.decode()
        assert key.partition(".")[2] not in page
    assert made.prefix in admin_client.get(LIST).content.decode()


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"name": ""}, "This field is required"),
        ({"name": "x" * 51}, "at most 50 characters"),
        ({"studies": ""}, "This field is required"),
        ({"studies": "a\0"}, "Null characters are not allowed"),
        ({"scope": "all"}, "all is not one of the available choices"),
        ({"expiry_date_0": "2020-01-01", "expiry_date_1": "00:00:00"}, "This time is in the past"),
    ],
)
def test_invalid_token_form_is_refused(
    admin_client: Client, fields: dict[str, str], said: str
) -> None:
    response = make(admin_client, **fields)

    assert said in response.content.decode()
    assert not Token.objects.exists()


def test_token_is_changed(admin_client: Client, token: MakeToken) -> None:
    made, key = token("manage")
    form = {"name": "new", "scope": "read", "studies": "a-*"}
    response = admin_client.post(f"{LIST}{made.pk}/change/", form)

    assert response.status_code == 302
    found = Token.objects.of_key(key)
    assert found is not None
    assert (found.name, found.scope, found.studies) == ("new", "read", "a-*")


def test_tokens_are_revoked_together(admin_client: Client, token: MakeToken) -> None:
    tokens = [token("read") for _ in range(2)]
    chosen = {"action": "revoke", "_selected_action": [made.pk for made, _ in tokens]}
    response = admin_client.post(LIST, chosen, follow=True)

    assert "Revoked tokens: 2." in response.content.decode()
    for _, key in tokens:
        assert authorized_client(key).get("/api/v1/studies").status_code == 401


def test_revoked_token_cannot_be_changed(admin_client: Client, token: MakeToken) -> None:
    made, _ = token("read")
    Token.objects.filter(pk=made.pk).update(revoked=True)
    form = {"name": "new", "scope": "manage", "studies": "*", "revoked": ""}
    admin_client.post(f"{LIST}{made.pk}/change/", form)

    made = Token.objects.get()
    assert (made.scope, made.revoked) == ("read", True)


def test_change_keeps_a_concurrent_revocation(
    admin_client: Client, token: MakeToken, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, _ = token("read")
    before = TokenForm.clean

    def clean(form: Any) -> Any:  # meanwhile
        revoke_token(actor=COMMAND, token=Token.objects.get())
        return before(form)

    monkeypatch.setattr(TokenForm, "clean", clean)
    form = {"name": "new", "scope": "read", "studies": "*"}
    assert admin_client.post(f"{LIST}{made.pk}/change/", form).status_code == 302

    found = Token.objects.get()
    assert (found.name, found.revoked) == ("new", True)


def test_token_list_says_which_are_usable(admin_client: Client, token: MakeToken) -> None:
    token("read", name="good")
    past = timezone.now() - timedelta(days=1)
    for name, fields in (("late", {"expiry_date": past}), ("gone", {"revoked": True})):
        made, _ = token("read", name=name)
        Token.objects.filter(pk=made.pk).update(**fields)
    rows = admin_client.get(LIST).context["cl"].result_list

    assert {row.name: row.is_usable for row in rows} == {"good": True, "late": False, "gone": False}


def test_token_list_takes_constant_queries(
    admin_client: Client, token: MakeToken, django_assert_max_num_queries: Any
) -> None:
    for n in (1, 3):
        while Token.objects.count() < n:
            token("read")
        with django_assert_max_num_queries(6):
            admin_client.get(LIST)


@pytest.mark.parametrize("permissions", [(), ("view_token",)])
def test_token_creation_needs_the_permission(
    staff_client: Callable[..., Client], permissions: tuple[str, ...]
) -> None:
    assert make(staff_client(*permissions)).status_code == 403
    assert not Token.objects.exists()


def test_viewer_cannot_revoke(staff_client: Callable[..., Client], token: MakeToken) -> None:
    made, _ = token("read")
    client = staff_client("view_token")
    client.post(LIST, {"action": "revoke", "_selected_action": [made.pk]})

    assert not Token.objects.get().revoked

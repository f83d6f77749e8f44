"""Throttling of the admin's login, by name and address and by address alone."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from axes.models import AccessAttempt
from django.test import Client
from pytest_django import Settings

from tuner_project.security.logins import NAMES_AN_ADDRESS

LOGIN = "/admin/login/"
LIMIT = 5
PASSWORD = "correct horse"


@pytest.fixture(autouse=True)
def _somebody(db: None, django_user_model: Any) -> None:
    django_user_model.objects.create_superuser("ada", password=PASSWORD)


def log_in(name: str, password: str, address: str = "192.0.2.1", agent: str = "a") -> Any:
    form = {"username": name, "password": password, "next": "/admin/"}
    return Client().post(LOGIN, form, REMOTE_ADDR=address, headers={"User-Agent": agent})


def fail(n: int, name: str = "ada", **how: Any) -> list[int]:
    return [log_in(name, "wrong", **how).status_code for _ in range(n)]


def test_name_is_locked_out_from_an_address_for_a_while() -> None:
    assert fail(LIMIT) == [200] * (LIMIT - 1) + [429]
    locked = log_in("ada", PASSWORD)
    assert (locked.status_code, locked["Retry-After"]) == (429, "900")
    assert "Too many logins from this address have failed" in locked.content.decode()

    assert log_in("ada", PASSWORD, "192.0.2.2").status_code == 302
    AccessAttempt.objects.update(attempt_time=AccessAttempt.objects.get().attempt_time - AGE)
    assert log_in("ada", PASSWORD).status_code == 302


AGE = timedelta(seconds=901)


def test_other_browsers_of_the_address_are_locked_out_too() -> None:
    for number in range(LIMIT):
        fail(1, agent=f"agent {number}")
    assert log_in("ada", PASSWORD, agent="another").status_code == 429


def test_attempts_during_a_lockout_are_not_stored() -> None:
    fail(LIMIT)
    [before] = AccessAttempt.objects.values()
    assert fail(3) == [429] * 3
    assert list(AccessAttempt.objects.values()) == [before]


def test_success_resets_the_failures() -> None:
    fail(LIMIT - 1)
    assert log_in("ada", PASSWORD).status_code == 302
    assert fail(LIMIT - 1) == [200] * (LIMIT - 1)


def test_many_names_from_an_address_are_locked_out() -> None:
    statuses = [fail(1, f"name {number}")[0] for number in range(LIMIT * NAMES_AN_ADDRESS + 3)]
    assert statuses == [200] * (LIMIT * NAMES_AN_ADDRESS - 1) + [429] * 4
    assert log_in("ada", PASSWORD).status_code == 429
    assert log_in("ada", PASSWORD, "192.0.2.2").status_code == 302
    assert AccessAttempt.objects.count() == LIMIT * NAMES_AN_ADDRESS


def test_network_counts_as_one_address_with_ipv6() -> None:
    for number in range(LIMIT):
        fail(1, address=f"2001:db8::{number}")
    assert log_in("ada", PASSWORD, "2001:db8::ffff").status_code == 429
    assert log_in("ada", PASSWORD, "2001:db8:0:1::").status_code == 302


def test_address_is_the_clients_behind_a_proxy(settings: Settings) -> None:
    settings.TRUSTED_PROXIES = 1
    for claimed in ("a", "b", "c", "d", "e"):
        headers = {"X-Forwarded-For": f"{claimed}, 192.0.2.1"}
        Client().post(LOGIN, {"username": "ada", "password": "wrong"}, headers=headers)
    for address, status in (("192.0.2.1", 429), ("192.0.2.2", 302)):
        form = {"username": "ada", "password": PASSWORD, "next": "/admin/"}
        response = Client().post(LOGIN, form, headers={"X-Forwarded-For": address})
        assert response.status_code == status


@pytest.mark.parametrize("name", ["n" * 300, "a\0b", "", "ü" * 255, " "])
def test_unusual_names_fail_like_others(name: str) -> None:
    assert log_in(name, "wrong").status_code == 200


def test_staff_unlocks_by_deletion(staff_client: Callable[..., Client]) -> None:
    fail(LIMIT)
    page = "/admin/axes/accessattempt/"
    chosen = {
        "action": "delete_selected", "_selected_action": [AccessAttempt.objects.get().pk],
        "post": "yes",
    }  # fmt: skip
    client = staff_client("view_accessattempt", "delete_accessattempt")
    assert client.get(page).status_code == 200
    assert client.get(f"{page}add/").status_code == 403
    assert client.post(page, chosen).status_code == 302
    assert log_in("ada", PASSWORD).status_code == 302

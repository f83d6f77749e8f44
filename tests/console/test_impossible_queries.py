"""Queries of the admin's lists that no link of theirs has: they are no error of the service."""

from typing import Any
from urllib.parse import urlencode

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from rest_framework.test import APIClient

from tests.support.api_client import complete, create_study, start_trial

MODELS = {model._meta.model_name: model for model in admin.site._registry}
# Of filters, search, order, pages, popups and Django's own, and such as any field has.
KEYS = [
    *("state", "sampler", "pruner", "objectives", "created_at", "created_at__gte"),
    *("created_at__lt", "created_at__year", "state__exact", "study__id__exact", "on_front"),
    *("worker_id", "action", "kind", "actor_kind", "study", "scope__exact", "revoked__exact"),
    *("is_active__exact", "is_staff__exact", "groups__id__exact", "q", "o", "p", "all", "e"),
    *("_popup", "_to_field", "_facets", "_changelist_filters", "id", "pk", "id__in", "name"),
    *("name__regex", "name__isnull", "values__0", "username", "date_joined__gte"),
    *("last_login__date", "password__startswith", "nothing__x", "", "__", "user_attrs__a"),
    *("expiry_date__year", "attempt_time__gte", "ip_address", "failures_since_start"),
]
VALUES = ["\0", "9" * 5000, str(2**63), "-1", "10000-01-01", "0000-13-45 25:00", "\u0663", "(", "["]


@pytest.fixture
def filled(api: APIClient) -> None:
    create_study(api)
    complete(api, "search", start_trial(api, worker_id="w"), 1)


@pytest.mark.parametrize("name", sorted(map(str, MODELS)))
def test_impossible_value_of_a_key_is_no_error(
    admin_client: Client, filled: None, name: str
) -> None:
    url = reverse(f"admin:{MODELS[name]._meta.app_label}_{name}_changelist")
    admin_client.raise_request_exception = False
    pairs = [(key, value) for key in KEYS for value in VALUES[:1]]
    pairs += [(key, VALUES[index % len(VALUES)]) for index, key in enumerate(KEYS)]
    failed = [
        (key, value[:40])
        for key, value in pairs
        if admin_client.get(f"{url}?{urlencode({key: value})}").status_code >= 500
    ]
    assert failed == []


@pytest.mark.django_db(transaction=True)
def test_time_beyond_those_of_the_database_is_no_error(admin_client: Client) -> None:
    query = urlencode({"created_at__gte": "9999-12-31T23:59:59-23:00"})
    response: Any = admin_client.get(f"/admin/studies/study/?{query}", follow=True)
    assert (response.status_code, response.redirect_chain) == (
        200, [("/admin/studies/study/?e=1", 302)],
    )  # fmt: skip


ACTIONS = {"study": "pause_studies", "trial": "retry_trials", "token": "revoke"}


@pytest.mark.parametrize("name", sorted(map(str, MODELS)))
@pytest.mark.parametrize("selected", ["abc", "\0", "-1", str(2**70), ""])
def test_action_on_an_impossible_row_is_no_error(
    admin_client: Client, filled: None, name: str, selected: str
) -> None:
    url = reverse(f"admin:{MODELS[name]._meta.app_label}_{name}_changelist")
    body = {"action": ACTIONS.get(name, "delete_selected"), "_selected_action": selected}
    assert admin_client.post(url, body, follow=True).status_code == 200


@pytest.mark.parametrize("name", ["state", "sampler", "pruner", "objectives"])
def test_nul_matches_no_study(admin_client: Client, filled: None, name: str) -> None:
    response: Any = admin_client.get(f"/admin/studies/study/?{name}=%00")
    n_listed = 1 if name == "objectives" else 0  # this filter has two words, and no other effect
    assert (response.status_code, response.context["cl"].result_count) == (200, n_listed)


@pytest.mark.parametrize("to", ["https://evil.example/", "//evil.example", "javascript:x", ""])
def test_login_with_a_foreign_next_leads_to_the_admin(client: Client, db: None, to: str) -> None:
    User.objects.create_superuser("root", password="a good password")
    url = f"/admin/login/?{urlencode({'next': to})}"
    account = {"username": "root", "password": "a good password"}
    assert client.post(url, account)["Location"] == "/admin/"
    client.logout()
    assert client.post(url, account | {"next": to})["Location"] == "/admin/"

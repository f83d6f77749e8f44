"""The admin's page with the links to a study."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from rest_framework.test import APIClient

from access.models import Token
from studies.models import Study
from tests.support.api_client import STUDY_URL, authorized_client, create_study

SHARED = re.compile(r'value="(http://testserver/share#([^"]+))"')
PERMISSIONS = ("view_study", "change_study", "view_trial")


@pytest.fixture
def url(api: APIClient) -> str:
    create_study(api)
    return f"/admin/studies/study/{Study.objects.get().pk}/shares/"


def test_link_is_created_and_shown_once(admin_client: Client, url: str) -> None:
    response = admin_client.post(url, {"days": 3})
    found = SHARED.search(response.content.decode())
    assert found is not None
    assert "no-store" in response["Cache-Control"]
    assert authorized_client(found[2]).get(f"{STUDY_URL}/progress").status_code == 200
    share = Token.objects.get()
    assert share.expiry_date is not None
    assert timedelta(days=2.9) < share.expiry_date - timezone.now() < timedelta(days=3.1)
    page = admin_client.get(url).content.decode()
    assert SHARED.search(page) is None
    assert f"{share.prefix}…" in page


def test_link_is_revoked(admin_client: Client, url: str) -> None:
    admin_client.post(url, {"days": 3})
    share = Token.objects.get()
    response = admin_client.post(url, {"revoke": share.pk}, follow=True)
    assert "The link was revoked." in response.content.decode()
    assert Token.objects.get().revoked
    assert share.prefix not in admin_client.get(url).content.decode()
    response = admin_client.post(url, {"revoke": 10**30}, follow=True)
    assert "has no link with the id" in response.content.decode()


@pytest.mark.parametrize("days", ["", "0", "91", "x"])
def test_invalid_days_are_refused(admin_client: Client, url: str, days: str) -> None:
    response = admin_client.post(url, {"days": days})
    assert "errorlist" in response.content.decode()
    assert not Token.objects.exists()


def test_page_of_the_study_links_to_it(admin_client: Client, url: str) -> None:
    page = admin_client.get(url.replace("shares/", "change/")).content.decode()
    assert f'href="{url}"' in page


@pytest.mark.parametrize("missing", PERMISSIONS)
def test_each_permission_is_needed(
    staff_client: Callable[..., Client], url: str, missing: str
) -> None:
    client = staff_client(*(set(PERMISSIONS) - {missing}))
    assert client.get(url).status_code == 403
    assert client.post(url, {"days": 3}).status_code == 403
    assert not Token.objects.exists()
    assert staff_client(*PERMISSIONS, name="sharer").get(url).status_code == 200


def test_share_is_a_token_that_only_is_revoked(admin_client: Client, url: str) -> None:
    admin_client.post(url, {"days": 3})
    share = Token.objects.get()
    listed = admin_client.get("/admin/access/token/?is_share=1").content.decode()
    assert "link to search" in listed
    assert "one, by a link" in listed
    for query in ("is_share=0", "is_share=x"):
        assert (
            "link to search"
            not in admin_client.get(f"/admin/access/token/?{query}").content.decode()
        )
    page = f"/admin/access/token/{share.pk}/change/"
    assert admin_client.get(page).status_code == 200
    changed: dict[str, Any] = {"name": "x", "scope": "manage", "studies": "*"}
    assert admin_client.post(page, changed).status_code == 302
    stored = Token.objects.get()
    assert (stored.name, stored.scope, stored.studies) == ("link to search", "read", "/")
    action = {"action": "revoke", "_selected_action": share.pk}
    admin_client.post("/admin/access/token/", action)
    assert Token.objects.get().revoked

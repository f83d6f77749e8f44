"""Links that share a study: created, listed, revoked, and what their keys read."""

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from access.models import AuditEntry, Token
from access.models.token import NO_STUDY
from access.scopes import Scope
from studies.domain import shares
from studies.domain.shares import MAX_SHARES
from studies.models import Study
from tests.support import JSON
from tests.support.api_client import (
    STUDIES,
    STUDY_URL,
    assert_refused,
    authorized_client,
    complete,
    create_study,
    start_trial,
)

URL = f"{STUDY_URL}/shares"
PROGRESS = f"{STUDY_URL}/progress"


def share(api: APIClient, study_url: str = STUDY_URL, **body: Any) -> JSON:
    response = api.post(f"{study_url}/shares", body)
    assert response.status_code == 201, response.content
    created: JSON = response.json()
    return created


def key_of(created: JSON) -> str:
    return str(created["url"]).partition("#")[2]


def reader(created: JSON) -> APIClient:
    return authorized_client(key_of(created))


def test_study_is_shared_for_a_week(api: APIClient) -> None:
    create_study(api)
    created = share(api)
    assert created.keys() == {"id", "created_at", "expires_at", "last_used_at", "url"}
    assert re.fullmatch(r"http://testserver/share#[\w-]{8}\.[\w-]{32,}", created["url"])
    expires = datetime.fromisoformat(created["expires_at"])
    assert abs(expires - timezone.now() - timedelta(days=7)) < timedelta(minutes=1)
    stored = Token.objects.get()
    assert (stored.scope, stored.studies, stored.study_id) == (
        Scope.READ,
        NO_STUDY,
        Study.objects.get().pk,
    )
    assert key_of(created).partition(".")[2] not in stored.hashed_key


@pytest.mark.parametrize("days", [1, 90])
def test_link_expires_after_the_days(api: APIClient, days: int) -> None:
    create_study(api)
    expires = datetime.fromisoformat(share(api, expires_in_days=days)["expires_at"])
    assert abs(expires - timezone.now() - timedelta(days=days)) < timedelta(minutes=1)


@pytest.mark.parametrize("days", [0, -1, 91, 1.5, "7", True])
def test_invalid_days_are_refused(api: APIClient, days: Any) -> None:
    create_study(api)
    problem = assert_refused(api.post(URL, {"expires_in_days": days}), 400, "invalid")
    assert [error["pointer"] for error in problem["errors"]] == ["/expires_in_days"]
    assert not Token.objects.exists()


def test_study_that_is_missing_is_not_shared(api: APIClient) -> None:
    for response in (
        api.post(URL),
        api.get(URL),
        api.delete(f"{URL}/1"),
    ):
        assert_refused(response, 404, "study_not_found")


def test_links_are_listed_without_secrets(api: APIClient) -> None:
    create_study(api)
    create_study(api, name="other")
    first, second = share(api), share(api)
    share(api, f"{STUDIES}/other")
    listed = api.get(URL)
    assert [each["id"] for each in listed.json()] == [second["id"], first["id"]]
    assert listed["X-Total-Count"] == "2"
    assert listed.json()[1] == {key: first[key] for key in first if key != "url"}
    assert [each["id"] for each in api.get(f"{URL}?limit=1&offset=1").json()] == [first["id"]]


def test_key_reads_what_the_page_shows(api: APIClient) -> None:
    create_study(api)
    complete(api, "search", start_trial(api), 0.5)
    of_link = reader(share(api))
    for path in ("progress", "best", "advice", "plots/history"):
        expected = api.get(f"{STUDY_URL}/{path}")
        assert of_link.get(f"{STUDY_URL}/{path}").status_code == expected.status_code == 200, path
    assert of_link.get(f"{STUDY_URL}/best").json() == api.get(f"{STUDY_URL}/best").json()
    assert Token.objects.get().last_used_at is not None


@pytest.mark.parametrize("name", ["*", "a*", "search-*"])
def test_name_with_an_asterisk_matches_nothing_else(api: APIClient, name: str) -> None:
    for each in (name, "abc", "search-b"):
        create_study(api, name=each)
    of_link = reader(share(api, f"{STUDIES}/{name}"))
    assert of_link.get(f"{STUDIES}/{name}/progress").status_code == 200
    for other in ("abc", "search-b"):
        assert_refused(of_link.get(f"{STUDIES}/{other}/progress"), 404, "study_not_found")


def test_link_does_not_open_another_study_of_the_name(api: APIClient) -> None:
    create_study(api)
    of_link = reader(share(api))
    assert api.delete(STUDY_URL).status_code == 204
    create_study(api)
    assert_refused(of_link.get(PROGRESS), 401, "invalid_token")
    assert not Token.objects.exists()
    entry = AuditEntry.objects.get(action="deleted", kind="token")
    assert entry.subject == "link to search"


def test_key_of_a_deleted_study_sees_no_other_one(api: APIClient) -> None:
    """Also where the study's row alone was deleted, as by a process of an earlier version."""
    create_study(api)
    of_link = reader(share(api))
    Study.objects.all().delete()
    create_study(api)
    assert_refused(of_link.get(PROGRESS), 404, "study_not_found")
    assert_refused(of_link.get("/share/study"), 404, "study_not_found")


def test_revoked_link_opens_nothing_at_once(api: APIClient) -> None:
    create_study(api)
    created, other = share(api), share(api)
    assert reader(created).get(PROGRESS).status_code == 200
    for _ in range(2):  # a repeated request is harmless
        assert api.delete(f"{URL}/{created['id']}").status_code == 204
    assert_refused(reader(created).get(PROGRESS), 401, "token_revoked")
    assert reader(other).get(PROGRESS).status_code == 200
    assert [each["id"] for each in api.get(URL).json()] == [other["id"]]
    assert AuditEntry.objects.filter(action="revoked").count() == 1


def test_expired_link_opens_nothing(api: APIClient) -> None:
    create_study(api)
    of_link = reader(share(api))
    Token.objects.update(expiry_date=timezone.now() - timedelta(seconds=1))
    assert_refused(of_link.get(PROGRESS), 401, "token_expired")
    assert_refused(of_link.get("/share/study"), 401, "token_expired")
    assert api.get(URL).json() == []


def test_only_links_to_the_study_are_revoked(api: APIClient, token: Callable[..., Any]) -> None:
    create_study(api)
    create_study(api, name="other")
    foreign = share(api, f"{STUDIES}/other")
    manager, _ = token()
    for number in (foreign["id"], manager.pk, 0, 10**30):
        assert_refused(api.delete(f"{URL}/{number}"), 404, "share_not_found")
    assert not Token.objects.filter(revoked=True).exists()


def test_number_of_links_is_limited(api: APIClient, monkeypatch: pytest.MonkeyPatch) -> None:
    assert MAX_SHARES == 20
    monkeypatch.setattr(shares, "MAX_SHARES", 2)
    create_study(api)
    first, _ = share(api), share(api)
    problem = assert_refused(api.post(URL), 409, "too_many_shares")
    assert "revoke one of them" in problem["detail"]
    assert api.delete(f"{URL}/{first['id']}").status_code == 204
    share(api)
    create_study(api, name="other")
    share(api, f"{STUDIES}/other")


def test_sharing_is_audited(api: APIClient) -> None:
    create_study(api)
    created = share(api)
    study = Study.objects.get()
    shared = AuditEntry.objects.get(action="shared")
    assert (shared.kind, shared.subject, shared.subject_id) == ("study", "search", study.pk)
    made = AuditEntry.objects.get(action="created", kind="token")
    assert (made.subject, made.subject_id) == ("link to search", created["id"])
    assert made.details["share_of"] == study.pk
    secret = key_of(created).partition(".")[2]
    assert all(secret not in str(entry.details) for entry in AuditEntry.objects.all())


def test_link_to_a_long_name_is_named_by_its_beginning(api: APIClient) -> None:
    create_study(api, name="n" * 256)
    share(api, f"{STUDIES}/{'n' * 256}")
    assert Token.objects.get().name == f"link to {'n' * 41}…"

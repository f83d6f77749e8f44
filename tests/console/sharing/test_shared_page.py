"""The page that a link to a study opens."""

from typing import Any

import pytest
from django.test import Client
from rest_framework.test import APIClient

from tests.support.api_client import STUDY_URL, authorized_client, create_study
from tests.support.database import recorded_statements


@pytest.fixture
def key(api: APIClient) -> str:
    create_study(api, name="<b>search")
    url: str = api.post("/api/v1/studies/%3Cb%3Esearch/shares").json()["url"]
    return url.partition("#")[2]


@pytest.fixture(autouse=True)
def _tokens_are_required(settings: Any, request: pytest.FixtureRequest) -> None:
    if "key" in request.fixturenames:
        request.getfixturevalue("key")
    settings.AUTH_REQUIRED = True


def test_page_is_the_same_for_all_links_and_is_not_kept() -> None:
    with recorded_statements() as statements:
        response = Client().get("/share")
    assert statements == []
    assert response.status_code == 200
    assert response["Referrer-Policy"] == "no-referrer"
    assert response["X-Robots-Tag"] == "noindex, nofollow"
    assert "no-store" in response["Cache-Control"]
    assert "frame-ancestors 'none'" in response["Content-Security-Policy"]
    assert "Set-Cookie" not in response
    assert Client().post("/share").status_code == 405


def test_study_is_shown_without_links_and_buttons(key: str) -> None:
    response = authorized_client(key).get("/share/study")
    page = response.content.decode()
    assert response.status_code == 200
    assert response["Content-Type"] == "text/html; charset=utf-8"
    assert response["Cache-Control"] == "no-store"
    assert response["Referrer-Policy"] == "no-referrer"
    assert '<h1 id="share-title">&lt;b&gt;search</h1>' in page
    assert 'data-api="/api/v1/studies/%3Cb%3Esearch' in page
    assert "/admin/" not in page
    assert "<form" not in page
    assert "data-trial=" not in page


@pytest.mark.parametrize("scope", ["read", "manage"])
def test_other_tokens_open_no_study(key: str, token: Any, scope: str) -> None:
    response = authorized_client(token(scope)[1]).get("/share/study")
    assert response.status_code == 404


def test_unknown_key_and_none_open_no_study(key: str, admin_client: Client) -> None:
    assert authorized_client("no.such").get("/share/study").status_code == 401
    assert authorized_client(f"{key}x").get("/share/study").status_code == 401
    assert Client().get("/share/study").status_code == 401
    assert admin_client.get("/share/study").status_code == 401  # by the key alone


def test_key_is_no_session_of_the_admin(key: str) -> None:
    client = Client(headers={"Authorization": f"Bearer {key}"})
    for path in ("/admin/", "/dashboard", "/admin/studies/study/"):
        assert client.get(path).status_code == 302
    assert client.get("/metrics").status_code == 401


def test_unknown_keys_are_throttled(settings: Any, key: str) -> None:
    settings.RATE_LIMIT_ADDRESS_WRITES = 60
    statuses = [authorized_client("no.such").get("/share/study").status_code for _ in range(5)]
    assert statuses[0] == 401
    assert statuses[-1] == 429


def test_access_log_has_the_share_and_not_its_key(
    key: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO"):
        authorized_client(key).get("/share/study")
        authorized_client(key).get(STUDY_URL)
    logged = "\n".join(f"{record.getMessage()} {record.__dict__}" for record in caplog.records)
    assert key.partition(".")[2] not in logged


def test_page_without_required_tokens_opens_by_its_key_alone(settings: Any, key: str) -> None:
    settings.AUTH_REQUIRED = False
    assert authorized_client(key).get("/share/study").status_code == 200
    assert authorized_client(key).get("/api/v1/studies").status_code == 403
    assert Client().get("/share/study").status_code == 404

"""Every answer has a content security policy; tests/browser loads pages under theirs."""

from typing import Any

import pytest
from django.test import Client
from pytest_django import Settings
from rest_framework.test import APIClient

from tuner_project.security.content_policy import policy_of_figure


def policy(response: Any) -> dict[str, str]:
    header = response["Content-Security-Policy"]
    return dict(part.strip().split(" ", 1) for part in header.split(";"))


@pytest.mark.parametrize("path", ["/admin/", "/admin/studies/study/", "/admin/password_change/"])
def test_admin_policy_allows_own_scripts_only(admin_client: Client, path: str) -> None:
    response = admin_client.get(path)
    found = policy(response)
    assert (found["script-src"], found["style-src"]) == ("'self'", "'self'")
    assert found["default-src"] == found["frame-ancestors"] == "'none'"
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["Referrer-Policy"] == "same-origin"
    assert "camera=()" in response["Permissions-Policy"]


@pytest.mark.parametrize(
    "path",
    ["/api/v1/health", "/api/v1/studies", "/api/v1/nothing", "/api/v1/schema", "/api/studies"],
)
def test_api_policy_allows_nothing(db: None, path: str) -> None:
    assert set(policy(Client().get(path)).values()) == {"'none'"}


@pytest.mark.parametrize("https", [True, False])
def test_static_files_and_redirects_have_a_policy(
    db: None, settings: Settings, https: bool
) -> None:
    settings.SECURE_SSL_REDIRECT = https
    settings.WHITENOISE_AUTOREFRESH = True
    for path, status in (("/static/tuner_project/icon.svg", 200), ("/", 302)):
        response = Client().get(path)
        assert response.status_code == (301 if https else status)
        assert policy(response)["script-src"] == "'self'"
        response.close()


def test_policy_never_allows_inline_scripts(admin_client: Client, study: dict[str, Any]) -> None:
    for path in (
        "/api/v1/docs",
        "/dashboard",
        "/admin/login/",
        f"/admin/studies/study/{study['study_id']}/change/",
        "/nothing",
    ):
        scripts = policy(admin_client.get(path))["script-src"]
        assert scripts in ("'self'", "'self' 'unsafe-eval'"), path


def test_plot_policy_allows_its_scripts_in_a_sandbox(api: APIClient, study: dict[str, Any]) -> None:
    found = policy(api.get("/api/v1/studies/search/plots/history?format=html"))
    assert found["script-src"].startswith("'self' 'unsafe-eval' 'sha256-")
    assert "unsafe-inline" not in found["script-src"]
    assert found["sandbox"] == "allow-scripts allow-downloads"


def test_figure_policy_names_scripts_by_hash() -> None:
    page = '<script src="/plotly.js"></script>\n<script type="x">alert(1)</script>'
    # printf 'alert(1)' | openssl dgst -sha256 -binary | base64
    known = "'sha256-bhHHL3z2vDgxUt0W3dWQOrprscmda2Y5pLsLg4GF+pI='"
    assert f"script-src 'self' 'unsafe-eval' {known};" in policy_of_figure(page)

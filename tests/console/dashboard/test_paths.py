"""The URLs of Optuna's dashboard and of the service do not overlap."""

import re
from pathlib import Path

import pytest
from django.contrib.staticfiles import finders
from django.test import Client
from django.urls import resolve
from drf_spectacular.generators import SchemaGenerator

from console.dashboard.application import replace_script_url
from console.dashboard.urls import urlpatterns
from tests.support.api_client import assert_refused

SCRIPT = Path(str(finders.find("optuna_dashboard/bundle.js")))


def dashboard_paths() -> set[str]:
    """Every path that the dashboard's script asks for, with 1 for what it fills in."""
    script = SCRIPT.read_text()
    texts = re.findall(r"`\$\{this\.baseURL\}(/[^`]*)`", script)
    texts += re.findall(r'["`](/(?:api|csv|artifacts|dashboard)\b[^"`]*)["`]', script)
    return {re.sub(r"\$\{[^}]*\}", "1", text).split("?")[0] for text in texts}


def is_the_dashboards(path: str) -> bool:
    return resolve(path).func.__module__ == "console.dashboard.views"


def test_all_paths_of_the_script_are_routed() -> None:
    paths = dashboard_paths()
    assert {
        "/dashboard",
        "/api/meta",
        "/api/studies",
        "/api/studies/1",
        "/api/studies/1/1/note",
        "/api/trials/1/tell",
        "/api/artifacts/1/1/1",
        "/api/llm/trial_filter_query",
        "/csv/1",
        "/artifacts/1/1/1",
    } <= paths
    assert [path for path in sorted(paths) if not is_the_dashboards(path)] == []


def test_own_paths_are_not_routed_to_the_dashboard() -> None:
    schema = SchemaGenerator().get_schema(public=True)
    ours = [re.sub(r"\{[^}]*\}", "1", path) for path in schema["paths"]]
    assert len(ours) > 10
    ours += ["/", "/admin", "/admin/", "/admin/studies/study/1/change/", "/admin/api/studies"]
    for path in ours:
        assert not any(pattern.resolve(path[1:]) for pattern in urlpatterns), path


@pytest.mark.parametrize("path", ["/api/foo", "/api/metadata", "/api/studiesx/1"])
def test_unknown_path_stays_a_problem(admin_client: Client, path: str) -> None:
    assert_refused(admin_client.get(path), 404, "not_found")


@pytest.mark.parametrize("path", ["/static/bundle.js", "/csvs/1", "/dashboards", "/artifact/1"])
def test_unknown_path_stays_unknown(admin_client: Client, path: str) -> None:
    assert admin_client.get(path).status_code == 404


@pytest.mark.parametrize(
    "html",
    [
        b"<html></html>",
        b'<script src="/assets/bundle.js"></script>',
        b'<script defer src="/static/bundle.js"></script><link href="/static/style.css">',
        b'<script defer src="/static/bundle.js"></script>' * 2,
    ],
)
def test_page_with_an_unknown_script_fails(html: bytes) -> None:
    with pytest.raises(RuntimeError, match="does not load"):
        replace_script_url(html)

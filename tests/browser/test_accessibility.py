"""axe-core finds nothing serious on the pages, in light and dark, and on a phone's width."""

from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.browser.conftest import LAPTOP, PHONE, Open, open_study
from tests.support.http_client import HttpClient

pytestmark = pytest.mark.browser

SERIOUS = ("serious", "critical")
STYLES = [(LAPTOP, "light"), (PHONE, "dark")]
# It would load the style sheets once more, into elements that the pages' policy refuses.
OPTIONS = {"resultTypes": ["violations"], "preload": False}


def faults(page: Page) -> list[str]:
    """Serious violations: the rule, and the first elements that break it."""
    violations: list[Any] = Axe().run(page, options=OPTIONS).response["violations"]
    return [
        f"{each['id']}: {[node['html'][:120] for node in each['nodes'][:3]]}"
        for each in violations
        if each["impact"] in SERIOUS
    ]


@pytest.mark.parametrize(("size", "scheme"), STYLES)
@pytest.mark.parametrize(
    "path",
    [
        "/admin/",
        "/admin/studies/study/",
        "/admin/trials/trial/",
        "/admin/access/token/",
        "/admin/access/token/add/",
        "/admin/access/auditentry/",
        "/admin/events/webhook/",
        "/admin/events/webhook/add/",
    ],
)
def test_page_is_accessible(open_page: Open, path: str, size: tuple[int, int], scheme: str) -> None:
    page = open_page(path, size=size, scheme=scheme)
    page.wait_for_load_state("networkidle")
    assert faults(page) == []


@pytest.mark.parametrize(
    ("study", "size", "scheme"),
    [("demo-training", LAPTOP, "light"), ("demo-latency", PHONE, "dark")],
)
def test_study_page_is_accessible(
    open_page: Open, client: HttpClient, study: str, size: tuple[int, int], scheme: str
) -> None:
    page = open_study(open_page, client, study, size=size, scheme=scheme)
    page.locator("#tuner-plots").scroll_into_view_if_needed()
    expect(page.locator(".tuner-plot .main-svg").first).to_be_attached(timeout=60_000)
    expect(page.locator("#tuner-rate")).to_contain_text("per hour", timeout=60_000)
    assert faults(page) == []


def test_trial_page_and_forms_are_accessible(open_page: Open, client: HttpClient) -> None:
    study_id = client.get("/studies/demo-training")["study_id"]
    other_id = client.get("/studies/demo-finetune")["study_id"]
    compare = f"../compare/?ids={study_id},{other_id}"
    forms = ("clone/", "search-space/", "description/", "shares/", "delete/", "history/")
    for path in ("trials/1/", compare, *forms):
        page = open_page(f"/admin/studies/study/{study_id}/{path}")
        assert (path, faults(page)) == (path, [])

"""Optuna's dashboard, behind the admin's login."""

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import Open, keep, open_study
from tests.support.http_client import HttpClient
from tests.support.service import Service

pytestmark = pytest.mark.browser


def test_study_is_linked_and_drawn(open_page: Open, client: HttpClient) -> None:
    page = open_study(open_page, client, "demo-training")
    page.get_by_role("link", name="Optuna dashboard").click()
    expect(page.get_by_text("demo-training")).to_be_visible(timeout=30_000)
    expect(page.locator(".scatterlayer .point").first).to_be_attached()
    expect(page.locator(".barlayer .point").first).to_be_attached()
    keep(page, "dashboard")


def test_studies_are_listed(open_page: Open) -> None:
    page = open_page("/dashboard")
    for name in ("demo-branin-tpe", "demo-hartmann6", "demo-zdt1"):
        expect(page.get_by_text(name)).to_be_visible()


def test_anonymous_visitor_is_sent_to_the_login(open_page: Open) -> None:
    page = open_page("/dashboard", is_anonymous=True)
    expect(page.get_by_label("Password")).to_be_visible()


def test_deletion_empties_both_schemas(
    open_page: Open, client: HttpClient, service: Service
) -> None:
    space = [{"type": "float", "name": "x", "low": 0.0, "high": 1.0}]
    client.create_study(name="deleted-there", search_space=space)
    client.suggest("deleted-there")
    page = open_page("/dashboard")
    card = study_card(page, "deleted-there")
    card.get_by_role("button", name="delete study").click()
    page.get_by_role("button", name="Yes").click()
    expect(page.get_by_text("deleted-there", exact=False)).to_have_count(0)
    assert client.call("GET", "/studies/deleted-there").status == 404
    service.check_optuna()


def study_card(page: Page, name: str) -> Locator:
    return page.locator(".MuiCard-root", has_text=name)

"""A link to a study, opened without a session."""

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import LAPTOP, PHONE, Open, keep
from tests.support.http_client import HttpClient
from tests.support.service import Service

pytestmark = pytest.mark.browser

SECONDS = 1000  # Playwright counts in milliseconds


def share(client: HttpClient) -> dict[str, str]:
    created: dict[str, str] = client.call("POST", "/studies/demo-training/shares").expect(201)
    return created


def is_as_wide_as_the_screen(page: Page) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth <= innerWidth"))


@pytest.mark.parametrize(("name", "size"), [("laptop", LAPTOP), ("phone", PHONE)])
def test_link_shows_its_study(
    open_page: Open, client: HttpClient, name: str, size: tuple[int, int]
) -> None:
    path = share(client)["url"].partition("/share")[2]
    page = open_page(f"/share{path}", size, is_anonymous=True)
    expect(page.get_by_role("heading", name="demo-training")).to_be_visible(timeout=30 * SECONDS)
    expect(page.locator("#tuner-live.tuner-is-live")).to_be_visible(timeout=30 * SECONDS)
    page.locator("#tuner-plot-history").locator("..").scroll_into_view_if_needed()
    expect(page.locator("#tuner-plot-history .point").first).to_be_attached(timeout=60 * SECONDS)
    assert page.title() == "demo-training"
    assert page.context.cookies() == []
    assert page.locator("a, form, .tuner-buttons").count() == 0
    assert is_as_wide_as_the_screen(page)
    keep(page, f"shared-study-{name}")


def test_revoked_link_is_updated_no_more_and_opens_nothing(
    browser: Browser, service: Service, client: HttpClient
) -> None:
    created = share(client)
    context = browser.new_context()  # of its own, as the console has the refused requests
    page = context.new_page()
    page.goto(created["url"])
    expect(page.locator("#tuner-live.tuner-is-live")).to_be_visible(timeout=30 * SECONDS)
    client.call("DELETE", f"/studies/demo-training/shares/{created['id']}").expect(204)
    ended = page.get_by_text("This link has expired or was revoked")
    expect(ended).to_be_visible(timeout=30 * SECONDS)
    page.reload()
    expect(page.get_by_text("This link does not exist")).to_be_visible(timeout=30 * SECONDS)
    assert "demo-training" not in page.content()
    context.close()


def test_page_without_a_key_names_no_study(open_page: Open) -> None:
    page = open_page("/share", is_anonymous=True)
    expect(page.get_by_text("This link does not exist")).to_be_visible()

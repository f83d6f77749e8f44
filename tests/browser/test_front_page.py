"""The front page of the admin: what runs, and which study is worth attention."""

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import PHONE, Open, keep
from tests.support.http_client import HttpClient

pytestmark = pytest.mark.browser

LAPTOP_SCREEN = (1366, 768)


def test_front_page_shows_on_one_screen_what_needs_attention(open_page: Open) -> None:
    page = open_page("/admin/", size=LAPTOP_SCREEN)
    attention = page.get_by_role("region", name="Needs attention")
    expect(attention).to_contain_text("demo-finetune: the last")
    running = page.get_by_role("region", name="Running now")
    expect(running.get_by_role("row", name="demo-training")).to_contain_text("of 100")
    expect(running.get_by_role("img").first).to_be_visible()
    latest = page.get_by_role("region", name="Latest studies")
    box = latest.bounding_box()
    assert box is not None
    assert box["y"] + box["height"] <= LAPTOP_SCREEN[1]
    keep(page, "front")


def test_attention_leads_to_the_study_and_its_trial(open_page: Open) -> None:
    page = open_page("/admin/")
    attention = page.get_by_role("region", name="Needs attention")
    attention.get_by_role("link", name="trial of demo-finetune").click()
    expect(page.locator("#content")).to_contain_text("FileNotFoundError")
    page.go_back()
    attention.get_by_role("link", name="demo-finetune", exact=True).click()
    expect(page.locator("#content h1")).to_have_text("demo-finetune")


def test_front_page_fits_a_phone_in_dark_mode(open_page: Open) -> None:
    page = open_page("/admin/", size=PHONE, scheme="dark")
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE[0]
    first = page.locator("#content-main section").nth(0).bounding_box()
    attention = page.get_by_role("region", name="Needs attention").bounding_box()
    assert first is not None
    assert attention is not None
    assert attention["y"] < first["y"]  # on a phone it comes first
    keep(page, "front-phone-dark", full_page=True)


def test_front_page_is_used_by_keyboard(open_page: Open, client: HttpClient) -> None:
    page = open_page("/admin/")
    link = page.get_by_role("region", name="Running now").get_by_role("link").first
    link.focus()
    name = link.inner_text()
    page.keyboard.press("Enter")
    expect(page.locator("#content h1")).to_have_text(name)

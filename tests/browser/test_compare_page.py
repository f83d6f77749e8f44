"""The comparison of studies in the admin, tags and notes, and the choice of columns."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import PHONE, Open, keep
from tests.support.http_client import HttpClient

pytestmark = pytest.mark.browser

SECONDS = 1000  # Playwright counts in milliseconds
NAMES = ("demo-branin-tpe", "demo-branin-qmc")
LINES = {"trials", "time", "edf"}


def headline(page: Page) -> str:
    found = page.locator("#tuner-headline")
    expect(found).to_contain_text(re.compile(r"better|best|good|result"), timeout=30 * SECONDS)
    return found.inner_text()


def open_comparison(open_page: Open) -> Page:
    """Select two studies in the list, and compare them."""
    page = open_page("/admin/studies/study/?q=demo-branin")
    for name in NAMES:
        row = page.locator("#result_list tr", has=page.get_by_role("link", name=name, exact=True))
        row.locator("input.action-select").check()
    page.locator("select[name=action]").select_option("compare_studies")
    page.get_by_role("button", name="Go").click()
    return page


def test_selected_studies_are_compared(open_page: Open, client: HttpClient) -> None:
    page = open_comparison(open_page)
    text = headline(page)
    values = {name: client.get(f"/studies/{name}/best")["value"] for name in NAMES}
    better = min(values, key=lambda name: values[name])  # Branin's function is minimized
    assert text.startswith(f"“{better}” is better: {values[better]:.6g}, against ")
    for kind in LINES:
        lines = page.locator(f"#tuner-plot-{kind} .scatterlayer .js-line")
        expect(lines).to_have_count(len(NAMES), timeout=30 * SECONDS)
    rows = page.locator("#tuner-settings tbody tr")
    n_differing = rows.count()
    page.get_by_label("Show rows that are the same").check()
    assert rows.count() > n_differing
    keep(page, "compare")
    page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
    # Plotly follows the width after a while.
    page.wait_for_function(f"document.documentElement.scrollWidth <= {PHONE[0]}")
    keep(page, "compare-phone")


def test_shared_comparison_is_the_same(open_page: Open) -> None:
    page = open_comparison(open_page)
    headline(page)
    page.get_by_label("Value to reach").fill("5")
    page.get_by_role("button", name="Compare").click()
    expect(page.locator("#tuner-headline")).to_contain_text("5 was reached")
    other = open_page(page.url)
    expect(other.locator("#tuner-headline")).to_have_text(
        page.locator("#tuner-headline").inner_text()
    )
    assert other.get_by_label("Value to reach").input_value() == "5"


def test_note_and_columns_are_shown(open_page: Open, client: HttpClient) -> None:
    body = {"tags": ["shown"], "note": "**bold** <img src=x onerror=alert(1)>"}
    study = client.call("PATCH", f"/studies/{NAMES[0]}", body).expect(200)
    # On a phone no plots are in view, whose requests would wait for each other.
    page = open_page(f"/admin/studies/study/{study['study_id']}/change/", size=PHONE)
    expect(page.locator(".tuner-markdown strong")).to_have_text("bold")
    assert page.locator(".tuner-markdown img").count() == 0
    page.get_by_role("link", name="shown", exact=True).click()
    expect(page.locator("#result_list tbody tr")).to_have_count(1)
    page = open_page(f"/admin/trials/trial/?study__id__exact={study['study_id']}")
    page.get_by_text("Columns", exact=True).click()
    first = page.locator(".tuner-tool-columns input[type=checkbox]").first
    chosen = first.input_value()
    first.check()
    page.get_by_role("button", name="Show", exact=True).click()
    page.wait_for_url(re.compile("columns="))
    page.get_by_text("Columns", exact=True).click()
    assert page.locator(f'input[value="{chosen}"]').first.is_checked()
    page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
    box = page.locator(".tuner-tool-columns form").bounding_box()
    assert box is not None
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= PHONE[0]
    at = f"document.elementFromPoint({box['x'] + 20}, {box['y'] + 40})"  # not cut off
    assert page.evaluate(f"{at}.closest('.tuner-tool-columns') !== null")
    keep(page, "columns-phone")

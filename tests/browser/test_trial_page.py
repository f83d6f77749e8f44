"""The page of a trial in a browser: why it failed, its curve, its note, on all sizes."""

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import PHONE, Open, keep
from tests.support import JSON
from tests.support.http_client import HttpClient, trials_path

pytestmark = pytest.mark.browser

SPACE = [
    {"type": "float", "name": "learning_rate", "low": 1e-4, "high": 0.1, "log": True},
    {"type": "categorical", "name": "optimizer", "choices": ["adam", "sgd"]},
]


@pytest.fixture
def study(client: HttpClient, request: pytest.FixtureRequest) -> JSON:
    """Trials 0 to 4 complete, 5 failed and is tried again as 6, which runs."""
    name = request.node.name
    created: JSON = client.create_study(
        name=name, search_space=SPACE, sampler="random", pruner="median", max_retries=1
    )
    for number in range(7):
        trial = f"{trials_path(name)}/{number}"
        client.suggest(name)
        for step in range(5):
            report = {"step": step, "value": number * step / 10}
            client.call("POST", f"{trial}/report", report).expect(200)
        if number < 5:
            client.complete(name, number, values=number)
        if number == 5:
            body = {"reason": "exit code 1: out of memory\n\nTraceback\n  line 3", "retry": True}
            client.call("POST", f"{trial}/fail", body).expect(200)
    return created


def open_trial(open_page: Open, study: JSON, number: int, **how: Any) -> Page:
    page = open_page(f"/admin/trials/trial/?study__id__exact={study['study_id']}&q={number}", **how)
    page.locator("#result_list tbody th a").click()
    return page


def test_failed_trial_says_why(open_page: Open, study: JSON) -> None:
    page = open_trial(open_page, study, 5)
    box = page.locator("#tuner-failure")
    expect(box.get_by_role("heading", name="Why it failed")).to_be_visible()
    expect(box).to_contain_text("exit code 1: out of memory")
    expect(page.locator("#tuner-curve .main-svg").first).to_be_visible()
    expect(page.locator("#tuner-curve .legend")).to_contain_text("best: trial 4")
    page.get_by_role("link", name="trial 6").click()
    expect(page.locator("#tuner-headline")).to_contain_text("It has been running for")
    keep(page, "trial-laptop", full_page=True)


def test_note_and_link_are_saved(open_page: Open, study: JSON, client: HttpClient) -> None:
    page = open_trial(open_page, study, 3)
    page.get_by_label("Note:").fill("<b>odd</b>")
    page.get_by_label("Name of a link to add").fill("run")
    page.get_by_label("Its URL").fill("https://example.org/1")
    page.get_by_role("button", name="Save the note and link").click()
    expect(page.locator(".tuner-note-text")).to_have_text("<b>odd</b>")
    link = page.get_by_role("link", name="run", exact=True)
    expect(link).to_have_attribute("rel", "noopener noreferrer nofollow")
    stored = client.get(f"{trials_path(study['study_name'])}/3")
    assert (stored["note"], stored["links"]) == ("<b>odd</b>", {"run": "https://example.org/1"})
    page.get_by_role("button", name="Remove the link run").click()
    expect(page.locator(".tuner-links")).to_have_count(0)


def test_running_trial_is_followed(open_page: Open, study: JSON, client: HttpClient) -> None:
    page = open_trial(open_page, study, 6)
    page.get_by_label("Note:").fill("not saved yet")
    result = {"reason": "stopped by hand"}
    client.call("POST", f"{trials_path(study['study_name'])}/6/fail", result).expect(200)
    expect(page.locator("#tuner-failure")).to_contain_text("stopped by hand", timeout=20_000)
    expect(page.get_by_label("Note:")).to_have_value("not saved yet")


def test_page_fits_a_phone(open_page: Open, study: JSON) -> None:
    page = open_trial(open_page, study, 5, size=PHONE, scheme="dark")
    expect(page.locator("#tuner-curve .main-svg").first).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE[0]
    keep(page, "trial-phone-dark", full_page=True)

"""Pages under their content security policies.

A violation is written to the browser's console, and `open_page` fails a test whose page wrote an
error there. So the other modules of this folder check the study's page, its plots and the lists.
"""

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.conftest import Open, keep
from tests.support.http_client import HttpClient
from tests.support.service import Service

pytestmark = pytest.mark.browser

STUDY = "demo-training"


def test_login_page_runs_under_its_policy(open_page: Open) -> None:
    page = open_page("/admin/login/", is_anonymous=True)
    expect(page.get_by_label("Username")).to_be_visible()
    assert page.evaluate("getComputedStyle(document.querySelector('#header')).display") == "flex"


def test_lockout_page_says_why(browser: Browser, service: Service) -> None:
    context = browser.new_context(base_url=f"http://127.0.0.1:{service.port}")
    page = context.new_page()
    for _ in range(5):
        page.goto("/admin/login/")
        page.get_by_label("Username").fill("nobody")
        page.get_by_label("Password").fill("wrong")
        page.get_by_role("button", name="Log in").click()
    expect(page.get_by_text("You can log in again in 15 minutes")).to_be_visible()
    keep(page, "locked-out")
    context.close()


@pytest.mark.parametrize(
    "path",
    [
        "/admin/",
        "/admin/studies/study/",
        "/admin/trials/trial/",
        "/admin/axes/accessattempt/",
        "/admin/auth/user/add/",
        "/admin/auth/group/add/",
        "/admin/password_change/",
    ],
)
def test_admin_runs_under_its_policy(open_page: Open, path: str) -> None:
    page = open_page(path)
    page.wait_for_load_state("networkidle")
    expect(page.locator("#content")).to_be_visible()


def test_api_documentation_runs_under_its_policy(open_page: Open) -> None:
    page = open_page("/api/v1/docs", is_anonymous=True)
    page.get_by_text("createStudy").or_(page.get_by_text("/api/v1/studies")).first.click()
    expect(page.get_by_role("button", name="Try it out")).to_be_visible()


def test_dashboard_runs_under_its_policy(open_page: Open) -> None:
    page = open_page("/dashboard")
    page.get_by_text(STUDY).first.click()
    expect(page.locator(".main-svg").first).to_be_visible()


@pytest.mark.parametrize("kind", ["history", "parallel_coordinate", "contour"])
def test_plot_page_runs_without_an_origin(open_page: Open, kind: str) -> None:
    page = open_page(f"/api/v1/studies/{STUDY}/plots/{kind}?format=html")
    expect(page.locator(".main-svg").first).to_be_visible()
    assert page.evaluate("self.origin") == "null"


def test_script_in_a_name_does_not_run(open_page: Open, client: HttpClient) -> None:
    name = "</script><script>document.title = 'mine'</script>"
    space = [{"type": "float", "name": name, "low": 0.0, "high": 1.0}]
    client.create_study(name="named-oddly", search_space=space)
    for number in range(3):
        client.suggest("named-oddly")
        client.complete("named-oddly", number, values=number)
    page = open_page("/api/v1/studies/named-oddly/plots/slice?format=html")
    expect(page.locator(".main-svg").first).to_be_visible()
    assert page.title() != "mine"

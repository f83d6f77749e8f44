"""Fixtures: a real service and a real browser."""

import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright

from tests.support import ROOT
from tests.support.http_client import HttpClient
from tests.support.service import Service, running_service

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
SCREENSHOTS = ROOT / "build" / "screenshots"
LAPTOP, PHONE = (1280, 900), (390, 844)

Open = Callable[..., Page]


@pytest.fixture(scope="session")
def service() -> Iterator[Service]:
    """The service with the demo studies."""
    with running_service() as service:
        seeded = service.manage("seed_studies", "--demo")
        assert seeded.returncode == 0, seeded.stderr
        yield service


@pytest.fixture
def client(service: Service) -> Iterator[HttpClient]:
    with HttpClient(service.port) as client:
        yield client


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    assert found, (
        f"no browser: expected one of {', '.join(BROWSERS)} (Debian: apt install chromium)"
    )
    with sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"]
        browser = playwright.chromium.launch(executable_path=found, args=arguments)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def account(service: Service) -> tuple[str, str]:
    """The name and the password that `serve` printed."""
    found = re.search(r"Admin account: (\S+), password: (\S+)", service.log.read_text())
    assert found is not None
    return found[1], found[2]


@pytest.fixture(scope="session")
def logged_in(browser: Browser, service: Service, account: tuple[str, str]) -> Any:
    """The cookies of a user who has logged in with the form."""
    context = browser.new_context(base_url=f"http://127.0.0.1:{service.port}")
    page = context.new_page()
    page.goto("/admin/")
    page.get_by_label("Username").fill(account[0])
    page.get_by_label("Password").fill(account[1])
    page.get_by_role("button", name="Log in").click()
    page.get_by_text("Welcome,").wait_for()
    state = context.storage_state()
    context.close()
    return state


@pytest.fixture
def open_page(browser: Browser, service: Service, logged_in: Any) -> Iterator[Open]:
    """Opens pages, and checks at the end that none has written an error to the console."""
    contexts = []
    errors: list[str] = []

    def note(message: ConsoleMessage) -> None:
        # Plots that others of the same caller wait for are asked for again.
        if message.type == "error" and "status of 429" not in message.text:
            errors.append(f"{message.text} ({message.location.get('url')})")

    def open_page(
        path: str, size: tuple[int, int] = LAPTOP, scheme: Any = "light", is_anonymous: bool = False
    ) -> Page:
        context = browser.new_context(
            base_url=f"http://127.0.0.1:{service.port}",
            viewport={"width": size[0], "height": size[1]},
            color_scheme=scheme,
            storage_state=None if is_anonymous else logged_in,
        )
        contexts.append(context)
        page = context.new_page()
        page.on("console", note)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(path)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert errors == []


def open_study(open_page: Open, client: HttpClient, name: str, **how: Any) -> Page:
    """The admin's page of a study."""
    study_id = client.get(f"/studies/{name}")["study_id"]
    return open_page(f"/admin/studies/study/{study_id}/change/", **how)


def keep(page: Page, name: str, **how: Any) -> Path:
    """Keep a screenshot of what the page shows."""
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    path = SCREENSHOTS / f"{name}.png"
    page.screenshot(path=path, animations="disabled", **how)
    return path

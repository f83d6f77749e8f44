"""The TypeScript client in a page of another origin, as `CORS_ORIGINS` allows."""

from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Route

from tests.support.http_client import HttpClient
from tests.support.service import Service
from tests.support.typescript_client import PACKAGE, build, missing_tools

pytestmark = pytest.mark.browser

ORIGIN = "http://localhost:3000"  # allowed by default
PAGE = """<script type="importmap">{"imports": {"@tuner/client": "/dist/index.js"}}</script>"""
WORK = """async (baseUrl) => {
    const { TunerClient } = await import("@tuner/client");
    const client = new TunerClient({ baseUrl, deadline: 30_000 });
    const search_space = [{ type: "float", name: "x", low: 0, high: 1 }];
    const limits = { max_trials: 5, max_concurrent: 1, lease_seconds: 0.6 };
    await client.createStudy({ name: "in a page", search_space, ...limits });
    const ends = new Set();
    const result = await client.study("in a page").run(async (trial) => {
        await trial.report(trial.params.x);
        while (trial.offer.trial_id === 0 && ends.size < 3) {  // renewed by heartbeats
            ends.add((await client.getTrial("in a page", 0)).lease_expires_at);
        }
        return trial.params.x;
    }, { concurrency: 2 });
    const error = await client.getStudy("nowhere").catch((error) => error);
    return { complete: result.complete, code: error.code, requestId: error.requestId };
}"""


def serve_package(route: Route) -> None:
    """Answer a request to the origin with a file of the package, or with the page."""
    file = PACKAGE / urlsplit(route.request.url).path.removeprefix("/")
    if file.is_file():
        route.fulfill(path=file, content_type="text/javascript")
    else:
        route.fulfill(body=PAGE, content_type="text/html")


def test_worker_runs_in_a_page(browser: Browser, service: Service, client: HttpClient) -> None:
    if missing := missing_tools():
        pytest.skip(missing)
    build()
    # A page that did not come over the network may not call this machine by itself.
    context = browser.new_context(permissions=["local-network-access"])
    page = context.new_page()
    page.route(f"{ORIGIN}/**", serve_package)
    page.goto(ORIGIN)

    done = page.evaluate(WORK, f"http://127.0.0.1:{service.port}")

    context.close()
    assert (done["complete"], done["code"]) == (5, "study_not_found")
    assert done["requestId"]
    trials = client.all_trials("in a page")
    assert [trial["state"] for trial in trials] == ["COMPLETE"] * 5

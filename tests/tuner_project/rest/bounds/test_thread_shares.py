"""Heavy requests of one caller hold at most half of a process's threads."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from rest_framework.test import APIClient

from tests.support.api_client import (
    STUDY_URL,
    TRIALS_URL,
    assert_refused,
    complete,
    create_study,
    suggest,
)
from tuner_project.rest.bounds.thread_shares import QUICK, ThreadShares, TooManyHeavyRequests

EXPORT = f"{STUDY_URL}/export"
HEAVY = (
    EXPORT,
    f"{STUDY_URL}/importance",
    f"{STUDY_URL}/plots/history",
    f"{STUDY_URL}/history",
    f"{STUDY_URL}/advice",
    f"{TRIALS_URL}?limit=1000",
)
LIGHT = (STUDY_URL, f"{STUDY_URL}/best", f"{STUDY_URL}/progress", f"{TRIALS_URL}?limit=100")


@pytest.fixture
def shares(settings: Any) -> ThreadShares:
    settings.WEB_THREADS = 4
    return ThreadShares()


def test_share_is_half_of_the_threads(shares: ThreadShares, settings: Any) -> None:
    ends = [shares.take("a"), shares.take("a"), shares.take("b")]
    with pytest.raises(TooManyHeavyRequests):
        shares.take("a")
    ends[0]()
    shares.take("a")
    settings.WEB_THREADS = 1
    shares.take("c")
    with pytest.raises(TooManyHeavyRequests):
        shares.take("c")


def test_request_waits_for_quick_ones(shares: ThreadShares) -> None:
    first, _ = shares.take("a"), shares.take("a")
    with ThreadPoolExecutor() as pool:
        third = pool.submit(shares.take, "a")
        first()
        third.result()


def test_request_does_not_wait_for_slow_ones(shares: ThreadShares) -> None:
    shares.take("a"), shares.take("a")
    time.sleep(2 * QUICK)
    before = time.thread_time(), time.monotonic()
    with pytest.raises(TooManyHeavyRequests):
        shares.take("a")
    assert time.monotonic() - before[1] < QUICK


@pytest.fixture
def study(api: APIClient, settings: Any) -> None:
    settings.WEB_THREADS = 4
    create_study(api, sampler="random")
    for value in (1.0, 2.0):
        complete(api, "search", suggest(api)["trial_id"], value)


@pytest.mark.parametrize("url", HEAVY)
def test_heavy_requests_of_a_token_are_bounded(
    study: None, client_of: Callable[..., APIClient], url: str
) -> None:
    reader, other = (client_of("read", name=name) for name in ("a", "b"))
    exports: list[Any] = [reader.get(EXPORT) for _ in range(2)]
    unread = [iter(export.streaming_content) for export in exports]
    assert all(next(export).startswith(b'{"kind":"study"') for export in unread)
    problem = assert_refused(reader.get(url), 429, "too_many_heavy_requests")
    assert problem["detail"] == (
        "2 heavy requests are being served for you: wait until one of them has ended"
    )
    assert reader.get(url).headers["Retry-After"] == "1"
    assert [reader.get(light).status_code for light in LIGHT] == [200] * len(LIGHT)
    assert status_of(other, url) == 200
    assert list(unread[0]) == []
    assert status_of(reader, url) == 200
    assert list(unread[1]) == []


def status_of(client: APIClient, url: str) -> int:
    response: Any = client.get(url)
    if response.streaming:
        b"".join(response.streaming_content)  # which closes it
    return int(response.status_code)


def test_failed_request_gives_its_thread_back(api: APIClient, study: None) -> None:
    for _ in range(3):
        assert api.get(f"{STUDY_URL}/importance?target_idx=5").status_code == 400
        assert api.get("/api/v1/studies/unknown/importance").status_code == 404
    assert api.get(f"{STUDY_URL}/importance").status_code == 200

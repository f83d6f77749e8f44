"""Rate limits of two tokens on a service of several processes."""

import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
import urllib3

from tests.support import scaled
from tests.support.service import running_service

pytestmark = pytest.mark.accept

SECONDS = scaled(60, least=30)  # of less, what may come at once is more than the tolerance
LIMITS = {"RATE_LIMIT_READS": 600, "RATE_LIMIT_WRITES": 300}  # a minute
ENVIRONMENT = {
    "AUTH_REQUIRED": "true",
    "WEB_WORKERS": "2",
    "WEB_THREADS": "4",
    **{name: str(limit) for name, limit in LIMITS.items()},
}
REQUESTS = {
    "RATE_LIMIT_READS": ("GET", "/api/v1/studies/none", 404),
    "RATE_LIMIT_WRITES": ("POST", "/api/v1/studies/none/trials/0/heartbeat", 404),
}
PAUSE = 0.04  # seconds between the requests of a connection
CONNECTIONS = 2  # of each token, for reads and for writes


def test_rate_limit_gives_each_token_its_rate(record_property: Callable[..., None]) -> None:
    with running_service(ENVIRONMENT) as service:
        keys = [
            service.manage("create_token", name, "--scope", "worker").stdout.strip()
            for name in ("one", "another")
        ]
        begin = threading.Barrier(len(keys) * len(REQUESTS) * CONNECTIONS)
        answers: dict[tuple[str, str], Counter[int]] = {}
        threads = [
            threading.Thread(
                target=_hammer,
                args=(service.port, key, name, begin, answers.setdefault((key, name), Counter())),
            )
            for key in keys
            for name in REQUESTS
            for _ in range(CONNECTIONS)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    for (key, name), found in answers.items():
        token = ("one", "another")[keys.index(key)]
        served = found[REQUESTS[name][2]]
        allowed = LIMITS[name] * SECONDS / 60
        record_property(
            "found",
            f"{token}, {name}: {served} of {found.total()} served in {SECONDS} s, "
            f"{served / allowed - 1:+.1%}",
        )
        assert set(found) == {REQUESTS[name][2], 429}
        assert found[429] > allowed / 10  # it asked for more
        assert served == pytest.approx(allowed, rel=0.1)


def _hammer(
    port: int, key: str, name: str, begin: threading.Barrier, answers: Counter[int]
) -> None:
    method, path, _ = REQUESTS[name]
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    with urllib3.HTTPConnectionPool("127.0.0.1", port, maxsize=1, retries=False) as pool:
        begin.wait()
        until = time.monotonic() + SECONDS
        while time.monotonic() < until:
            response = pool.request(method, path, headers=headers)
            _check(response)
            answers[response.status] += 1
            time.sleep(PAUSE)


def _check(response: Any) -> None:
    if response.status == 429:
        assert response.json()["code"] == "too_many_requests"
        assert 1 <= int(response.headers["Retry-After"]) <= 3

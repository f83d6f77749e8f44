"""The content of /metrics."""

import time
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection, connections, transaction
from django.test import Client
from pytest_django import Settings
from rest_framework.test import APIClient

from studies.models import NamedStudy
from tests.support.api_client import metric_label_values, metric_samples, metric_total
from tests.support.study_builders import COMMAND, MIXED_SPACE
from trials.domain.expire_leases import expire_leases

STUDIES = "/api/v1/studies"
SUGGEST = f"{STUDIES}/search/trials/suggest"
ROUTE = "/api/v1/studies/<study_name:study_name>/trials/suggest"
Scraped = Callable[[], str]


def test_requests_are_counted_by_route(
    api: APIClient, study: dict[str, Any], scraped: Scraped
) -> None:
    before = scraped()
    for _ in range(3):
        api.post(SUGGEST)
    api.post(f"{STUDIES}/nobody/trials/suggest")
    after = scraped()

    def grown(name: str, **labels: str) -> float:
        return metric_total(after, name, **labels) - metric_total(before, name, **labels)

    assert grown("tuner_http_requests_total", method="POST", route=ROUTE, status="200") == 3
    assert grown("tuner_http_requests_total", method="POST", route=ROUTE, status="404") == 1
    assert grown("tuner_http_request_duration_seconds_count", method="POST", route=ROUTE) == 4
    assert grown("tuner_http_request_duration_seconds_sum", method="POST", route=ROUTE) > 0


def test_client_input_is_no_label(api: APIClient, scraped: Scraped) -> None:
    api.get("/api/v1/made/up")
    api.get("/made-up")
    api.get("/static/made-up.js")
    api.get(f"{STUDIES}/made-up")
    api.get("/admin/made-up/")
    api.generic("MADEUP", STUDIES)
    text = scraped()
    assert "made" not in text
    assert "MADEUP" not in text
    assert {"none", "/api/v1/studies"} <= metric_label_values(
        text, "tuner_http_requests_total", "route"
    )
    assert "other" in metric_label_values(text, "tuner_http_requests_total", "method")


def test_asks_are_timed_by_sampler_and_part(api: APIClient, scraped: Scraped) -> None:
    before = scraped()
    for sampler in ("random", "qmc"):
        api.post(STUDIES, {"name": sampler, "search_space": MIXED_SPACE, "sampler": sampler})
        for _ in range(2):
            assert api.post(f"{STUDIES}/{sampler}/trials/suggest").status_code == 200
    after = scraped()
    for sampler in ("random", "qmc"):
        name = "tuner_ask_duration_seconds_count"
        assert (
            metric_total(after, name, sampler=sampler) - metric_total(before, name, sampler=sampler)
            == 2
        )
        name = "tuner_ask_part_duration_seconds_count"
        for part in ("sampling", "database"):
            labels = {"sampler": sampler, "part": part}
            assert metric_total(after, name, **labels) - metric_total(before, name, **labels) == 2


def test_trials_and_studies_are_counted_by_state(
    transactional_db: None, api: APIClient, study: dict[str, Any], scraped: Scraped
) -> None:
    for _ in range(3):
        api.post(SUGGEST)
    api.post(f"{STUDIES}/search/trials/0/complete", {"values": 1})
    api.post(f"{STUDIES}/search/trials/1/fail")
    api.post(STUDIES, {"name": "other", "search_space": MIXED_SPACE})
    api.post(f"{STUDIES}/other/trials", {"params": {}})
    api.post(f"{STUDIES}/other/pause")
    text = scraped()
    trials = {s.labels["state"]: s.value for s in metric_samples(text) if s.name == "tuner_trials"}
    studies = {
        s.labels["state"]: s.value for s in metric_samples(text) if s.name == "tuner_studies"
    }
    assert trials == {"WAITING": 1, "RUNNING": 1, "COMPLETE": 1, "PRUNED": 0, "FAIL": 1}
    assert studies == {"ACTIVE": 1, "PAUSED": 1, "COMPLETED": 0, "CANCELLED": 0}
    assert metric_total(text, "tuner_storage_up") == 1
    assert metric_label_values(text, "tuner_webhooks", "state") == {
        "enabled",
        "failing",
        "disabled",
    }
    assert metric_total(text, "tuner_webhook_deliveries_pending") == 0
    assert metric_total(text, "tuner_webhook_oldest_pending_seconds") == 0


def test_expired_leases_are_counted_when_they_are_committed(
    transactional_db: None, api: APIClient, study: dict[str, Any], scraped: Scraped
) -> None:
    before = metric_total(scraped(), "tuner_leases_expired_total")
    api.post(f"{SUGGEST}-batch", {"count": 2, "lease_seconds": 0.05})
    time.sleep(0.1)
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        assert len(expire_leases(NamedStudy("search").locked(), actor=COMMAND)) == 2
        _ = 1 / 0
    assert metric_total(scraped(), "tuner_leases_expired_total") == before
    api.post(SUGGEST)
    assert metric_total(scraped(), "tuner_leases_expired_total") == before + 2


def test_process_metrics_cover_pool_sessions_and_memory(
    transactional_db: None, api: APIClient, study: dict[str, Any], scraped: Scraped
) -> None:
    for _ in range(3):
        api.post(SUGGEST)
    api.post(f"{STUDIES}/search/trials/0/report", {"values": {"1": 0.5, "2": 0.6}})
    api.post(SUGGEST)
    text = scraped()
    assert metric_total(text, "tuner_db_pool_max_connections") >= 1
    used = metric_total(text, "tuner_db_pool_connections") - metric_total(
        text, "tuner_db_pool_available"
    )
    assert 0 <= used <= metric_total(text, "tuner_db_pool_max_connections")
    assert metric_total(text, "tuner_db_pool_waiting") == 0
    assert metric_total(text, "tuner_history_studies") == 1
    assert metric_total(text, "tuner_history_trials") == 3  # the last ask has not been read back
    assert 3 * 1000 < metric_total(text, "tuner_history_bytes") < 3 * 2000
    assert (
        time.time() - 24 * 3600
        < metric_total(text, "tuner_process_start_time_seconds")
        < time.time()
    )
    assert metric_total(text, "tuner_process_resident_memory_bytes") > 1e7


def test_metrics_are_served_without_a_database(
    api: APIClient, scraped: Scraped, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(connections["default"].settings_dict, "HOST", "127.0.0.1")
    monkeypatch.setitem(connections["default"].settings_dict, "PORT", "1")
    text = scraped()
    assert "tuner_storage_up 0.0" in text
    assert metric_label_values(text, "tuner_trials", "state") == set()
    assert "# TYPE tuner_http_requests_total counter" in text


def test_scrape_reads_no_trial_and_uses_no_connection_of_a_request(
    api: APIClient, scraped: Scraped
) -> None:
    with connection.execute_wrapper(_refuse):
        scraped()


def _refuse(execute: Any, sql: str, *args: Any) -> None:
    raise AssertionError(sql)


# Who may read them ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("token", "auth_required", "sent", "status"),
    [
        ("", False, None, 200),
        ("", True, None, 401),
        ("", True, "Bearer ", 401),
        ("secret", False, None, 401),
        ("secret", False, "Bearer secret", 200),
        ("secret", True, "Bearer secret", 200),
        ("secret", True, "Bearer other", 401),
        ("secret", True, "bearer secrets", 401),
        ("secret", True, "Basic secret", 401),
        ("secret", True, "secret", 401),
        ("secret", True, "Bearer sécret", 401),
    ],
)
def test_metrics_need_a_valid_token(
    db: None, settings: Settings, token: str, auth_required: bool, sent: str | None, status: int
) -> None:
    settings.METRICS_TOKEN = token
    settings.AUTH_REQUIRED = auth_required
    headers = {} if sent is None else {"Authorization": sent}
    response = Client().get("/metrics", headers=headers)
    assert response.status_code == status
    if status == 401:
        assert response["WWW-Authenticate"] == 'Bearer realm="metrics"'
        assert response.json()["code"] == "not_authenticated"
        assert "METRICS_TOKEN" in response.json()["detail"]


def test_token_in_the_url_is_refused(db: None, settings: Settings) -> None:
    settings.METRICS_TOKEN = "secret"
    assert Client().get("/metrics?token=secret").status_code == 401


def test_metrics_refuse_other_methods(db: None) -> None:
    assert Client().post("/metrics").status_code == 405

"""Metrics and logs of a service of two processes are the same from either."""

import json
import signal
from pathlib import Path
from tempfile import gettempdir
from typing import Any

import urllib3

from tests.support.api_client import metric_label_values, metric_total
from tests.support.http_client import HttpClient
from tests.support.service import Service, running_service_on_tests_server

ROUTE = "/api/v1/studies/<study_name:study_name>/trials/suggest"
SETTINGS = {"LOG_FORMAT": "json", "ACCESS_LOG": "true", "METRICS_TOKEN": "secret"}


def scrape(service: Service) -> str:
    response = urllib3.request(
        "GET",
        f"http://127.0.0.1:{service.port}/metrics",
        headers={"Authorization": "Bearer secret", "Connection": "close"},
        retries=False,
    )
    assert response.status == 200, response.data
    return response.data.decode()


def log_lines(service: Service) -> list[dict[str, Any]]:
    lines = service.log.read_text().splitlines()
    return [json.loads(line) for line in lines if line.startswith("{")]


def ask_until_both_served(service: Service, pids: set[int]) -> int:
    """Ask over ever new connections until each of the processes has served one; how many asks."""
    for n in range(1, 1000):
        with HttpClient(service.port) as client:
            client.suggest("s")
        served = {line["pid"] for line in log_lines(service) if "suggest" in line.get("path", "")}
        if n >= 10 and pids <= served:
            return n
    raise AssertionError(f"only {served} of {pids} served")


def counted(text: str) -> tuple[float, float, float]:
    return (
        metric_total(text, "tuner_http_requests_total", route=ROUTE, status="200"),
        metric_total(text, "tuner_http_request_duration_seconds_count", route=ROUTE),
        metric_total(text, "tuner_ask_duration_seconds_count", sampler="random"),
    )


def folders_of_metrics(pid: int) -> list[Path]:
    """The folders that a master of this number made."""
    places = {Path("/dev/shm"), Path(gettempdir())}  # noqa: S108
    return [each for place in places for each in place.glob(f"tuner-metrics-{pid}-*")]


def test_metrics_sum_all_processes(django_db_setup: None) -> None:
    with running_service_on_tests_server(SETTINGS) as service:
        space = [{"type": "float", "name": "x", "low": 0, "high": 1}]
        with HttpClient(service.port) as client:
            client.create_study(name="s", search_space=space, sampler="random")
        first = {process.pid for process in service.web_workers()}
        n = ask_until_both_served(service, first)
        assert counted(scrape(service)) == (n, n, n)

        killed = service.web_workers()[0]
        killed.send_signal(signal.SIGKILL)
        service.wait_until(lambda: len(service.web_workers()) == 2 and not killed.is_running(), "2")
        second = {process.pid for process in service.web_workers()}
        service.wait_until(lambda: len(started(scrape(service))) == 2, "publishing")
        n += ask_until_both_served(service, second)
        text = scrape(service)
        assert counted(text) == (n, n, n)
        assert metric_total(text, "tuner_trials", state="RUNNING") == n
        assert started(text) == {"0", "1"}

        master = service.master.pid
        (folder,) = folders_of_metrics(master)
        assert folder.stat().st_mode & 0o777 == 0o700
        assert {file.stem.split("_")[-1] for file in folder.iterdir()} == {"0", "1"}
        assert service.end(signal.SIGTERM) == 0
        lines = log_lines(service)
    asked = [line for line in lines if line.get("path") == "/api/v1/studies/s/trials/suggest"]
    assert len({line["request_id"] for line in asked}) == len(asked) == n
    assert {line["pid"] for line in asked} == first | second
    assert f"Worker (pid:{killed.pid}) was sent SIGKILL! Perhaps out of memory?" in {
        line["message"] for line in lines if line["logger"] == "gunicorn.error"
    }
    assert folders_of_metrics(master) == []


def started(text: str) -> set[str]:
    return metric_label_values(text, "tuner_process_start_time_seconds", "pid")

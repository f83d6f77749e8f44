"""The command `serve`, as a process of its own on a new data folder."""

import os
import re
import signal
import subprocess
import sys

import pytest

from tests.support import ROOT
from tests.support.http_client import HttpClient
from tests.support.service import Service, running_service
from tuner_project import __version__


def test_serve_starts_from_nothing_and_keeps_its_data() -> None:
    with running_service() as service:
        with HttpClient(service.port) as client:
            space = [{"type": "float", "name": "x", "low": 0, "high": 1}]
            client.create_study(name="s", search_space=space)
            trial = client.suggest("s")
            client.complete("s", 0, values=0.5)
        assert service.end(signal.SIGTERM) == 0
        first = service.log.read_text()
        assert service.postmaster() is None

        service.start()
        with HttpClient(service.port) as client:
            best = client.get("/studies/s/best")
        assert service.end(signal.SIGINT) == 0
        second = service.log.read_text().removeprefix(first)

    assert best == {"params": trial["params"], "value": 0.5, "trial_id": 0}
    url = f"http://127.0.0.1:{service.port}"
    assert re.search(r"Admin account: admin, password: \S{16} \(shown this once\)\n", first)
    assert f"Tuner {__version__} is at {url}/api/v1\nDocumentation: {url}/api/v1/docs\n" in first
    assert f"Database: embedded, in {service.data_dir}\n" in first
    assert "Admin account" not in second


def test_serve_reports_invalid_settings_in_one_line() -> None:
    finished = subprocess.run(
        [sys.executable, "manage.py", "serve"],
        cwd=ROOT,
        env=os.environ | {"PORT": "http"},
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert finished.returncode == 1
    assert finished.stdout == ""
    assert finished.stderr == "error: PORT is 'http': expected an integer from 1 to 65535\n"


@pytest.mark.parametrize(
    "number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.accept)]
)
def test_terminated_command_stops_its_database(number: signal.Signals) -> None:
    service = Service()  # which is not started: the command starts the database, from nothing
    code = "import time; print('asleep', flush=True); time.sleep(60)"
    command = service.start_command("shell", "--no-imports", "-c", code)
    try:
        assert command.stdout is not None
        assert command.stdout.readline() == "asleep\n"
        assert service.postmaster() is not None
        command.send_signal(number)

        output, _ = command.communicate(timeout=60)

        assert command.returncode == 128 + number
        assert output == ""
        assert service.postmaster() is None
    finally:
        command.kill()
        command.communicate()
        service.stop()

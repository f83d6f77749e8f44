"""The `serve` command as a user meets it: a process of its own on a new data folder."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 60


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@pytest.fixture
def environment() -> Iterator[dict[str, str]]:
    """Of a newcomer: nothing is set but what keeps this service apart from others."""
    folder = Path(tempfile.mkdtemp(prefix="tuner-serve-"))
    folder.chmod(0o755)  # as root, PostgreSQL runs as another account
    names = {"DATABASE_URL", "SECRET_KEY", "TEST_DATABASE_URL", "DJANGO_SETTINGS_MODULE"}
    kept = {key: value for key, value in os.environ.items() if key not in names}
    yield kept | {
        "TUNER_DATA_DIR": str(folder / "data"),
        "TUNER_ENV_FILE": os.devnull,
        "PORT": str(free_port()),
    }
    shutil.rmtree(folder)


class Service:
    """A running `serve`, and what it has printed so far."""

    def __init__(self, environment: dict[str, str], output: Path) -> None:
        self.url = f"http://127.0.0.1:{environment['PORT']}"
        self._output = output
        with output.open("w") as file:
            self.process = subprocess.Popen(
                [sys.executable, "manage.py", "serve"],
                cwd=ROOT,
                env=environment,
                stdout=file,
                stderr=subprocess.STDOUT,
            )
        deadline = time.monotonic() + START_SECONDS
        while "Booting worker" not in self.output:
            assert self.process.poll() is None, self.output
            assert time.monotonic() < deadline, self.output
            time.sleep(0.1)

    @property
    def output(self) -> str:
        return self._output.read_text()

    def call(self, path: str, body: dict[str, Any] | None = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(f"{self.url}{path}", data=data, headers=headers)
        with urllib.request.urlopen(request, timeout=30) as response:
            return json.load(response)

    def stop(self, number: signal.Signals) -> int:
        self.process.send_signal(number)
        return self.process.wait(timeout=30)


def test_serve_starts_from_nothing_and_keeps_what_it_was_told(
    environment: dict[str, str], tmp_path: Path
) -> None:
    first = Service(environment, tmp_path / "first")
    try:
        assert first.call("/api/v1/ready") == {"status": "ready"}
        space = [{"type": "float", "name": "x", "low": 0, "high": 1}]
        first.call("/api/v1/studies", {"name": "s", "search_space": space})
        trial = first.call("/api/v1/studies/s/trials/suggest", {})
        first.call("/api/v1/studies/s/trials/0/complete", {"values": 0.5})
    finally:
        assert first.stop(signal.SIGTERM) == 0
    assert re.search(r"Admin account: admin, password: \S{16} \(shown this once\)", first.output)
    assert f"Tuner 0.1.0 is at {first.url}/api/v1\n" in first.output
    assert f"Documentation: {first.url}/api/v1/docs\n" in first.output
    assert not (Path(environment["TUNER_DATA_DIR"]) / "postgres" / "postmaster.pid").exists()

    second = Service(environment, tmp_path / "second")
    try:
        best = second.call("/api/v1/studies/s/best")
    finally:
        assert second.stop(signal.SIGINT) == 0
    assert best == {"params": trial["params"], "value": 0.5, "trial_id": 0}
    assert "Admin account" not in second.output


def test_serve_with_nonsense_in_the_environment_says_one_line(
    environment: dict[str, str],
) -> None:
    finished = subprocess.run(
        [sys.executable, "manage.py", "serve"],
        cwd=ROOT,
        env=environment | {"PORT": "http"},
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert finished.returncode == 1
    assert finished.stdout == ""
    assert finished.stderr == "error: PORT is 'http': expected an integer from 1 to 65535\n"

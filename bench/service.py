"""The service in processes of its own, and a client of its API."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp
from typing import Any
from urllib.parse import quote

import psutil
import urllib3

ROOT = Path(__file__).resolve().parents[1]
WEB_WORKERS = 2
_SECONDS_TO_START = 120
_SECONDS_TO_STOP = 60
_SECONDS_TO_ANSWER = 300
# The measurements set what they need of these themselves.
_NOT_PASSED_ON = {"DATABASE_URL", "SECRET_KEY", "DJANGO_SETTINGS_MODULE"}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def study_path(study: str) -> str:
    return f"/studies/{quote(study, safe='')}"


def trials_path(study: str) -> str:
    return f"{study_path(study)}/trials"


class Client:
    """A keep-alive connection to the API."""

    def __init__(self, port: int, token: str = "") -> None:
        self._headers = {"Content-Type": "application/json"}
        if token:
            self._headers["Authorization"] = f"Bearer {token}"
        self._pool = urllib3.HTTPConnectionPool(
            "127.0.0.1", port, maxsize=1, retries=False, timeout=_SECONDS_TO_ANSWER
        )

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *error: object) -> None:
        self._pool.close()

    def get(self, path: str) -> Any:
        return self._call("GET", path)

    def post(self, path: str, body: Any = None) -> Any:
        return self._call("POST", path, body)

    def create_study(self, **definition: Any) -> Any:
        return self.post("/studies", definition)

    def suggest(self, study: str) -> Any:
        return self.post(f"{trials_path(study)}/suggest")

    def complete(self, study: str, number: int, **result: Any) -> Any:
        return self.post(f"{trials_path(study)}/{number}/complete", result)

    def _call(self, method: str, path: str, body: Any = None) -> Any:
        response = self._pool.request(
            method,
            f"/api/v1{path}",
            body=None if body is None else json.dumps(body),
            headers=self._headers,
        )
        if response.status == 503 and response.json()["code"] == "study_busy":
            time.sleep(float(response.headers["Retry-After"]))
            return self._call(method, path, body)
        if response.status >= 300:
            raise RuntimeError(f"{method} {path}: {response.status} {response.data[:500]!r}")
        return response.json()


class Service:
    """`manage.py serve` on an embedded PostgreSQL, or on the database that `environment` names."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._folder = Path(mkdtemp(prefix="tuner-bench-", dir="/tmp"))
        self._folder.chmod(0o755)  # PostgreSQL's account passes through it
        self._log = self._folder / "serve.log"
        self.data_dir = self._folder / "data"
        self.port = free_port()
        self._n_workers = int(environment.get("WEB_WORKERS", WEB_WORKERS))
        own = {
            **{key: value for key, value in os.environ.items() if key not in _NOT_PASSED_ON},
            "TUNER_ENV_FILE": os.devnull,
            "TUNER_DATA_DIR": str(self.data_dir),
            "HOST": "127.0.0.1",
            "PORT": str(self.port),
            "WEB_WORKERS": str(WEB_WORKERS),
            "WEB_THREADS": "4",
        }
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                # What runs in the background would take time from what is measured.
                [sys.executable, "manage.py", "serve", "--no-background"],
                cwd=ROOT,
                env={**own, **environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    @property
    def master(self) -> psutil.Process:
        """The process of gunicorn's master."""
        return psutil.Process(self._process.pid)

    def web_workers(self) -> list[psutil.Process]:
        return [child for child in self.master.children() if _runs_serve(child)]

    def wait_until_ready(self) -> None:
        """Wait until all processes of the service run, and it is ready."""
        deadline = time.monotonic() + _SECONDS_TO_START
        while not (self._is_ready() and len(self.web_workers()) == self._n_workers):
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"not started: {self._log.read_text(errors='replace')[-3000:]}")
            time.sleep(0.05)

    def stop(self) -> None:
        """End the service, which ends its PostgreSQL, and remove the folder."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(_SECONDS_TO_STOP)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        shutil.rmtree(self._folder)

    def _is_ready(self) -> bool:
        try:
            with Client(self.port) as client:
                client.get("/ready")
                return True
        except (urllib3.exceptions.HTTPError, RuntimeError):
            return False


@contextmanager
def running_service(environment: Mapping[str, str] | None = None) -> Iterator[Service]:
    service = Service(environment or {})
    try:
        service.wait_until_ready()
        yield service
    finally:
        service.stop()


def _runs_serve(process: psutil.Process) -> bool:
    try:
        return "serve" in process.cmdline()
    except psutil.NoSuchProcess:
        return False

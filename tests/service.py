"""A real service in processes of its own, and a client of it."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import Any
from urllib.parse import quote

import psutil
import urllib3

from tuner_project.embedded_postgres import EmbeddedPostgres

ROOT = Path(__file__).resolve().parent.parent
WEB_WORKERS = 2
SECONDS_TO_START = 120
SECONDS_TO_STOP = 60
SECONDS_TO_ANSWER = 300  # a Gaussian process thinks, and eight workers queue for it

# A newcomer has set none of these.
_NOT_PASSED_ON = {"DATABASE_URL", "TEST_DATABASE_URL", "SECRET_KEY", "DJANGO_SETTINGS_MODULE"}

# Smaller proofs for trying them out: 0.1 plays a tenth.
SCALE = float(os.environ.get("ACCEPT_SCALE", "1"))


def scaled(full: int, least: int) -> int:
    """A count of a proof at the scale of this run, and never below `least`."""
    return max(least, round(full * SCALE))


class Unexpected(Exception):
    """Another answer than the expected one; it crosses the border of a process."""


@dataclass(frozen=True)
class Answer:
    status: int
    body: Any
    retry_after: float = 0.0  # seconds

    def expect(self, status: int) -> Any:
        if self.status != status:
            raise Unexpected(f"expected {status}, not {self.status}: {self.body!s:.500}")
        return self.body


class Client:
    """One worker's keep-alive connection to the API. Failures are urllib3's `HTTPError`."""

    def __init__(self, port: int) -> None:
        self._pool = urllib3.HTTPConnectionPool(
            "127.0.0.1", port, maxsize=1, retries=False, timeout=SECONDS_TO_ANSWER
        )

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *error: object) -> None:
        self._pool.close()

    def call(self, method: str, path: str, body: Any = None) -> Answer:
        response = self._pool.request(
            method,
            f"/api/v1{path}",
            body=None if body is None else json.dumps(body),
            headers={"Content-Type": "application/json"},
        )
        is_json = "json" in response.headers.get("Content-Type", "")  # a proxy answers HTML
        body = response.json() if is_json and response.data else response.data.decode() or None
        return Answer(response.status, body, float(response.headers.get("Retry-After", 0)))

    def get(self, path: str) -> Any:
        return self.call("GET", path).expect(200)

    def create_study(self, **definition: Any) -> Any:
        return self.call("POST", "/studies", definition).expect(201)

    def suggest(self, study: str) -> Any:
        return self.call("POST", f"{trials_of(study)}/suggest").expect(200)

    def complete(self, study: str, number: int, **outcome: Any) -> Any:
        path = f"{trials_of(study)}/{number}/complete"
        return self.call("POST", path, outcome).expect(200)

    def prune(self, study: str, number: int) -> Any:
        return self.call("POST", f"{trials_of(study)}/{number}/prune").expect(200)

    def all_trials(self, study: str) -> list[Any]:
        """Every trial, page by page."""
        trials: list[Any] = []
        while True:
            page = self.get(f"{trials_of(study)}?limit=1000&offset={len(trials)}")
            trials += page
            if len(page) < 1000:
                return trials


def study_path(study: str) -> str:
    return f"/studies/{quote(study, safe='')}"


def trials_of(study: str) -> str:
    return f"{study_path(study)}/trials"


class Service:
    """`manage.py serve` on an embedded PostgreSQL, in a folder of its own.

    `environment` overrides, so that it may work on another database, or with other settings.
    """

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        self._folder = Path(mkdtemp(prefix="tuner-test-", dir="/tmp"))
        self._folder.chmod(0o755)  # PostgreSQL's account passes through it
        self.data_dir = self._folder / "data"
        self.log = self._folder / "serve.log"
        self.port = free_port()
        self._env = {
            **{key: value for key, value in os.environ.items() if key not in _NOT_PASSED_ON},
            "TUNER_ENV_FILE": os.devnull,
            "TUNER_DATA_DIR": str(self.data_dir),
            "HOST": "127.0.0.1",
            "PORT": str(self.port),
            "WEB_WORKERS": str(WEB_WORKERS),
            "WEB_THREADS": "4",
            **(environment or {}),
        }
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def optuna_url(self) -> str:
        """Where stock Optuna finds its tables."""
        url = EmbeddedPostgres(self.data_dir).url().replace("postgresql:", "postgresql+psycopg:")
        return f"{url}&options=-csearch_path%3Doptuna"

    @property
    def master(self) -> psutil.Process:
        """`serve` itself, gunicorn's master."""
        assert self._process is not None
        return psutil.Process(self._process.pid)

    def web_workers(self) -> list[psutil.Process]:
        return [child for child in self.master.children() if _runs_serve(child)]

    def postmaster(self) -> psutil.Process | None:
        """The living postmaster, which says so in its own file."""
        file = self.data_dir / "postgres" / "postmaster.pid"
        try:
            process = psutil.Process(int(file.read_text().split()[0]))
            return process if "postgres" in process.name() else None
        except (OSError, IndexError, psutil.NoSuchProcess):
            return None

    def start(self) -> None:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "manage.py", "serve"],
                cwd=ROOT, env=self._env, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
        self.wait_until(self._is_ready_or_ended, "ready")
        assert self._process.poll() is None, f"serve ended: {self.log_tail()}"

    def _is_ready_or_ended(self) -> bool:
        return self.is_ready() or (self._process is not None and self._process.poll() is not None)

    def is_ready(self) -> bool:
        try:
            with Client(self.port) as client:
                return client.call("GET", "/ready").status == 200
        except urllib3.exceptions.HTTPError:
            return False

    def wait_until(self, condition: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + SECONDS_TO_START
        while not condition():
            assert time.monotonic() < deadline, f"not {what}: {self.log_tail()}"
            time.sleep(0.05)

    def reap(self) -> None:
        """Wait for the end of a master that was killed."""
        assert self._process is not None
        self._process.wait(SECONDS_TO_STOP)

    def manage(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run one of the service's management commands beside it."""
        return subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT, env=self._env, capture_output=True, text=True, timeout=600, check=False,
        )  # fmt: skip

    def begin(self, *arguments: str) -> subprocess.Popen[str]:
        """Begin a management command, and do not wait for it."""
        return subprocess.Popen(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT, env=self._env, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def check_optuna(self) -> None:
        """Both schemas agree."""
        done = self.manage("check_optuna")
        assert done.returncode == 0, f"check_optuna: {done.stdout[-2000:]}{done.stderr[-2000:]}"

    def end(self, number: signal.Signals) -> int:
        """Ask the service to end, as a user or a supervisor does; gives its exit code."""
        assert self._process is not None
        self._process.send_signal(number)
        return self._process.wait(SECONDS_TO_STOP)

    def stop(self) -> None:
        """End everything that was started here, and remove the folder."""
        process = self._process
        if process is not None and process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(SECONDS_TO_STOP)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if postmaster := self.postmaster():  # its users were killed, so that none stopped it
            postmaster.send_signal(signal.SIGINT)
            postmaster.wait(SECONDS_TO_STOP)
        shutil.rmtree(self._folder)

    def log_tail(self) -> str:
        return self.log.read_text(errors="replace")[-3000:]


@contextmanager
def running_service(environment: Mapping[str, str] | None = None) -> Iterator[Service]:
    service = Service(environment)
    try:
        service.start()
        yield service
    finally:
        service.stop()


def _runs_serve(process: psutil.Process) -> bool:
    try:
        return "serve" in process.cmdline()
    except psutil.NoSuchProcess:
        return False


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])

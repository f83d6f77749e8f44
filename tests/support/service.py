"""A real service in processes of its own: `manage.py serve`, or replicas as in production."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import psutil
import psycopg
from django.db import connection

from tests.support import ROOT
from tests.support.database import create_migrated_database, database_url, drop_database
from tests.support.http_client import free_port, is_ready
from tuner_project.embedded_postgres import EmbeddedPostgres
from tuner_project.embedded_postgres.place import find_place
from tuner_project.embedded_postgres.server import Server

WEB_WORKERS = 2
SECONDS_TO_CHANGE = 120  # for a start, a recovery, or the end of a replica
SECONDS_TO_STOP = 60
SECONDS_TO_FOLLOW = 30  # for gunicorn's workers, when their master is gone

# Variables that a newcomer has not set.
_NOT_PASSED_ON = {"DATABASE_URL", "TEST_DATABASE_URL", "SECRET_KEY", "DJANGO_SETTINGS_MODULE"}

MAX_WAITING = 2
SINGLE_THREAD_SETTINGS = {
    "WEB_WORKERS": "1",
    "WEB_THREADS": "1",
    "WEB_WAITING": str(MAX_WAITING),
    "WEB_WAITING_TIMEOUT": "12",
    "DB_STATEMENT_TIMEOUT": "60",
}


def wait_until(condition: Callable[[], bool], what: str, log: Path | None = None) -> None:
    deadline = time.monotonic() + SECONDS_TO_CHANGE
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"not {what} in {SECONDS_TO_CHANGE} s: {log_tail(log)}")
        time.sleep(0.05)


def log_tail(log: Path | None) -> str:
    return log.read_text(errors="replace")[-3000:] if log else ""


# The service of `make serve` --------------------------------------------------------------


class Service:
    """`manage.py serve` on an embedded PostgreSQL, in a folder of its own.

    `environment` overrides: another database, other settings. The background commands run only if
    `has_background`: else leases expire, and events are delivered, when a test says so.
    """

    has_background = False

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        self._folder = Path(mkdtemp(prefix="tuner-test-", dir="/tmp"))
        self._folder.chmod(0o755)  # PostgreSQL's account passes through it
        self.data_dir = self._folder / "data"
        self.log = self._folder / "serve.log"
        self.command = [sys.executable, "manage.py"]
        self.cwd = ROOT
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
    def database_url(self) -> str:
        return self._env.get("DATABASE_URL") or EmbeddedPostgres(self.data_dir).url()

    @property
    def optuna_url(self) -> str:
        """Where stock Optuna finds its tables."""
        url = self.database_url.replace("postgresql:", "postgresql+psycopg:")
        return f"{url}&options=-csearch_path%3Doptuna"

    @property
    def master(self) -> psutil.Process:
        """`serve` itself, gunicorn's master."""
        assert self._process is not None
        return psutil.Process(self._process.pid)

    def web_workers(self) -> list[psutil.Process]:
        return [child for child in self.master.children() if _runs_serve(child)]

    def postmaster(self) -> psutil.Process | None:
        """The living postmaster, by its own file."""
        file = self.data_dir / "postgres" / "postmaster.pid"
        try:
            process = psutil.Process(int(file.read_text().split()[0]))
            return process if "postgres" in process.name() else None
        except (OSError, IndexError, psutil.NoSuchProcess):
            return None

    def start(self) -> None:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*self.command, "serve", *([] if self.has_background else ["--no-background"])],
                cwd=self.cwd, env=self._env, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
        self.wait_until(self._is_ready_or_ended, "ready")
        assert self._process.poll() is None, f"serve ended: {log_tail(self.log)}"

    def _is_ready_or_ended(self) -> bool:
        return self.is_ready() or (self._process is not None and self._process.poll() is not None)

    def is_ready(self) -> bool:
        return is_ready(self.port)

    def wait_until(self, condition: Callable[[], bool], what: str) -> None:
        wait_until(condition, what, self.log)

    def reap(self) -> None:
        """Wait for the end of a master that was killed."""
        assert self._process is not None
        self._process.wait(SECONDS_TO_STOP)

    def manage(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run one of the service's management commands beside it."""
        return subprocess.run(
            [*self.command, *arguments],
            cwd=self.cwd, env=self._env, capture_output=True, text=True, timeout=600, check=False,
        )  # fmt: skip

    def start_command(self, *arguments: str) -> subprocess.Popen[str]:
        """Start a management command, and do not wait for it."""
        return subprocess.Popen(
            [*self.command, *arguments],
            cwd=self.cwd, env=self._env, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def check_optuna(self) -> None:
        """Check that both schemas agree."""
        done = self.manage("check_optuna")
        assert done.returncode == 0, f"check_optuna: {done.stdout[-2000:]}{done.stderr[-2000:]}"

    def end(self, number: signal.Signals) -> int:
        """End the service by a signal, as a user or a supervisor does; returns its exit code."""
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


@contextmanager
def running_service(environment: Mapping[str, str] | None = None) -> Iterator[Service]:
    service = Service(environment)
    try:
        service.start()
        yield service
    finally:
        service.stop()


@contextmanager
def running_service_on_tests_server(
    environment: Mapping[str, str] | None = None,
) -> Iterator[Service]:
    """A service on a migrated database of the tests' server, which starts in half of the time."""
    name = f"{connection.settings_dict['NAME']}_{free_port()}"
    create_migrated_database(name)
    own = {"DATABASE_URL": database_url(name), "SECRET_KEY": "tests", "AUTH_REQUIRED": "false"}
    try:
        with running_service({**own, **(environment or {})}) as service:
            yield service
    finally:
        drop_database(name)


def _runs_serve(process: psutil.Process) -> bool:
    try:
        return "serve" in process.cmdline()
    except psutil.NoSuchProcess:
        return False


# Its processes killed ---------------------------------------------------------------------


def kill_web_worker(service: Service) -> None:
    """Kill one of gunicorn's workers, and wait until the master has replaced it."""
    victim = random.choice(service.web_workers())
    victim.kill()
    service.wait_until(
        lambda: not _is_alive(victim) and len(service.web_workers()) == WEB_WORKERS, "complete"
    )


def kill_master(service: Service) -> None:
    """Kill gunicorn's master, wait for the end of its workers, and start the service again."""
    orphans = service.web_workers()
    service.master.kill()
    service.reap()
    _, alive = psutil.wait_procs(orphans, SECONDS_TO_FOLLOW)
    assert not alive, f"workers outlived their master: {alive}"
    service.start()


def kill_postmaster(service: Service) -> None:
    """Kill the postmaster, and wait until gunicorn's master has started it again."""
    from tuner_project.health import KEPT  # processes without Django's apps import this module

    victim = service.postmaster()
    assert victim is not None
    victim.kill()
    time.sleep(KEPT)
    service.wait_until(
        lambda: service.postmaster() not in (None, victim) and service.is_ready(), "ready"
    )


def _is_alive(process: psutil.Process) -> bool:
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


# Its database locked ----------------------------------------------------------------------


@contextmanager
def locked_studies(service: Service) -> Iterator[psycopg.Connection[Any]]:
    """Lock the studies' table in the block, so that requests for studies wait."""
    with psycopg.connect(service.database_url) as locking:
        locking.execute("LOCK TABLE studies_study IN ACCESS EXCLUSIVE MODE")
        yield locking
        locking.rollback()


def count_lock_waiters(database: psycopg.Connection[Any]) -> int:
    row = database.execute("SELECT count(*) FROM pg_locks WHERE NOT granted").fetchone()
    assert row is not None
    return int(row[0])


# Replicas ---------------------------------------------------------------------------------


class Postgres:
    """The embedded PostgreSQL, which the test alone stops and starts again."""

    def __init__(self, data_dir: Path) -> None:
        self.server = Server(find_place(data_dir, fallback=False))
        self._users = self.server.join()

    @property
    def cluster(self) -> Path:
        return self.server.place.cluster

    def stop(self, number: signal.Signals) -> None:
        """SIGINT ends it in order, SIGQUIT as a crash does."""
        pid = int((self.cluster / "postmaster.pid").read_text().split()[0])
        os.kill(pid, number)
        wait_until(self.server.is_down, "down")

    def start(self) -> None:
        self.server.revive()

    def close(self) -> None:
        self.server.leave(self._users)


class Program:
    """A process with its log."""

    def __init__(
        self, log: Path, command: list[str], environment: Mapping[str, str], uid: int | None = None
    ) -> None:
        self.log = log
        self.command, self.environment, self._uid = command, environment, uid
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command, cwd=ROOT, env=self.environment, user=self._uid,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip

    def signal(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def wait(self) -> int:
        assert self.process is not None
        return self.process.wait(SECONDS_TO_CHANGE)

    def kill(self) -> None:
        """Kill it at once, with its children."""
        assert self.process is not None
        family = [*psutil.Process(self.process.pid).children(recursive=True), self.process]
        for each in family:
            each.kill()
        self.wait()

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.signal(signal.SIGTERM)
            try:
                self.wait()
            except subprocess.TimeoutExpired:
                self.kill()


class Replica(Program):
    """The image's own command, at a port of its own."""

    def __init__(self, folder: Path, database_url: str, environment: Mapping[str, str]) -> None:
        self.port = free_port()
        own = {
            "DJANGO_SETTINGS_MODULE": "tuner_project.settings",
            "TUNER_ENV_FILE": os.devnull,
            "DATABASE_URL": database_url,
            "SECRET_KEY": "tests",
            "HOST": "127.0.0.1",
            "PORT": str(self.port),
            "WEB_WORKERS": "1",
            "AUTH_REQUIRED": "false",
            "RATE_LIMIT_READS": "0",
            "RATE_LIMIT_WRITES": "0",
        }
        command = [sys.executable, "-m", "gunicorn", "-c", "tuner_project/serving/gunicorn.py"]
        command.append("tuner_project.wsgi:application")
        log = folder / f"replica-{self.port}.log"
        super().__init__(log, command, {**os.environ, **own, **environment})

    def is_ready(self) -> bool:
        return is_ready(self.port)

    def pids(self) -> set[int]:
        """The processes of the master and its workers."""
        assert self.process is not None
        workers = psutil.Process(self.process.pid).children()
        return {self.process.pid, *(worker.pid for worker in workers)}

    def start_and_wait(self) -> None:
        self.start()
        wait_until(self.is_ready, "ready", self.log)

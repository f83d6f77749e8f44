"""Replicas as in production: gunicorn's behind nginx, and PgBouncer before one PostgreSQL.

nginx and PgBouncer run with the configurations in `deploy/`, at addresses of their own.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp

import psutil
import pytest
import urllib3

from tests.service import ROOT, Client, free_port
from tuner_project.embedded_postgres.place import find_place
from tuner_project.embedded_postgres.server import Server

SECONDS = 120  # for a start or a stop
NGINX = """
daemon off;
{user}
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/nginx-errors.log;
events {{ worker_connections 1024; }}
http {{
    access_log {folder}/nginx-access.log;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/tuner.conf;
}}
"""


def need(program: str) -> None:
    if shutil.which(program, path=_PATH) is None:
        pytest.skip(f"{program} is not installed (Debian and Ubuntu: apt install {program})")


_PATH = f"{os.environ.get('PATH', '')}:/usr/sbin"


def wait_until(condition: Callable[[], bool], what: str, log: Path | None = None) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        if time.monotonic() > deadline:
            words = log.read_text(errors="replace")[-3000:] if log else ""
            raise AssertionError(f"not {what} in {SECONDS} s: {words}")
        time.sleep(0.05)


class Postgres:
    """The embedded PostgreSQL, which nothing but the test starts again."""

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
        return self.process.wait(SECONDS)

    def kill(self) -> None:
        """At once, with its children."""
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
            "SECRET_KEY": "of the proofs",
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
        """Of the master and its workers."""
        assert self.process is not None
        workers = psutil.Process(self.process.pid).children()
        return {self.process.pid, *(worker.pid for worker in workers)}

    def begin(self) -> None:
        self.start()
        wait_until(self.is_ready, "ready", self.log)


def is_ready(port: int) -> bool:
    try:
        with Client(port) as client:
            return client.call("GET", "/ready").status == 200
    except urllib3.exceptions.HTTPError:
        return False


class Cluster:
    """PostgreSQL, PgBouncer, replicas and nginx, in a folder of their own."""

    def __init__(self, n_replicas: int, environment: Mapping[str, str]) -> None:
        self.folder = Path(mkdtemp(prefix="tuner-replicas-", dir="/tmp"))
        self.folder.chmod(0o755)  # PostgreSQL's account passes through it
        self.data_dir = self.folder / "data"
        self.postgres = Postgres(self.data_dir)
        self.port, self._pooler_port = free_port(), free_port()
        url = f"postgresql://tuner@127.0.0.1:{self._pooler_port}/tuner"
        through_pooler = {"DB_POOLER": "true", **environment}
        self.replicas = [Replica(self.folder, url, through_pooler) for _ in range(n_replicas)]
        self.pgbouncer = self._pgbouncer()
        self.nginx = self._nginx()

    @property
    def optuna_url(self) -> str:
        """Where stock Optuna finds its tables."""
        url = self.postgres.server.url().replace("postgresql:", "postgresql+psycopg:")
        return f"{url}&options=-csearch_path%3Doptuna"

    def begin(self) -> None:
        self.pgbouncer.start()
        self.manage("migrate", "--verbosity", "0")
        for replica in self.replicas:
            replica.start()
        for replica in self.replicas:
            wait_until(replica.is_ready, "ready", replica.log)
        self.nginx.start()
        wait_until(lambda: is_ready(self.port), "ready", self.nginx.log)

    def manage(self, *arguments: str) -> str:
        """Run a management command on PostgreSQL itself."""
        own = {"TUNER_ENV_FILE": os.devnull, "SECRET_KEY": "of the proofs"}
        own["DATABASE_URL"] = self.postgres.server.url()
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT, env=os.environ | own, capture_output=True, text=True, timeout=600,
        )  # fmt: skip
        assert done.returncode == 0, f"{arguments}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
        return done.stdout

    def close(self) -> None:
        for program in (self.nginx, *self.replicas, self.pgbouncer):
            program.stop()
        self.postgres.close()
        shutil.rmtree(self.folder)

    def _pgbouncer(self) -> Program:
        text = (ROOT / "deploy/pgbouncer/pgbouncer.ini").read_text()
        place = self.postgres.server.place
        here = f"host={place.socket_folder} port=5432 dbname=tuner user=tuner"
        for pattern, replacement in (
            (r"host=db port=5432 dbname=tuner( user=\S+)?( password=\S+)?", here),
            (r"(?m)^listen_addr *=.*", "listen_addr = 127.0.0.1"),
            (r"(?m)^listen_port *=.*", f"listen_port = {self._pooler_port}\nunix_socket_dir ="),
            (r"(?m)^auth_type *=.*", "auth_type = any"),
            (r"(?m)^auth_file *=.*\n", ""),
        ):
            text, n = re.subn(pattern, replacement, text)
            assert n == 1, f"{pattern} is in the configuration {n} times"
        file = self.folder / "pgbouncer.ini"
        file.write_text(text)
        uid = place.account.uid if place.account else None
        command = ["pgbouncer", str(file)]
        log = self.folder / "pgbouncer.log"
        return Program(log, command, {**os.environ, "PATH": _PATH}, uid)

    def _nginx(self) -> Program:
        text = (ROOT / "deploy/nginx/tuner.conf").read_text()
        # `resolve` is for compose's names, and Debian's nginx may be too old for it.
        options = re.search(r"server tuner-1:8000 resolve(.*;)", text)
        assert options is not None
        servers = "".join(
            f"    server 127.0.0.1:{replica.port}{options[1]}\n" for replica in self.replicas
        )
        text = re.sub(r"(?m)(^ *server tuner-\d:8000.*\n)+", servers, text)
        text, n = re.subn(r"listen \S+;", f"listen 127.0.0.1:{self.port};", text)
        assert n == 1
        (self.folder / "tuner.conf").write_text(text)
        user = "user root;" if os.geteuid() == 0 else ""
        file = self.folder / "nginx.conf"
        file.write_text(NGINX.format(folder=self.folder, user=user))
        log = self.folder / "nginx.log"
        command = ["nginx", "-c", str(file), "-e", str(log)]
        return Program(log, command, {**os.environ, "PATH": _PATH})


@contextmanager
def running_cluster(
    n_replicas: int, environment: Mapping[str, str] | None = None
) -> Iterator[Cluster]:
    need("nginx")
    need("pgbouncer")
    cluster = Cluster(n_replicas, environment or {})
    try:
        cluster.begin()
        yield cluster
    finally:
        cluster.close()

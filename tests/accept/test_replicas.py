"""Three replicas behind nginx and PgBouncer: kills lose nothing, deployments fail no request.

Thirty-two workers play several studies without a break. First replicas are killed and PostgreSQL
is stopped; then all replicas are replaced one after the other, as a new version is deployed.
"""

import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import optuna
import pytest

from tests.support import ROOT, scaled
from tests.support.http_client import HttpClient, free_port, is_ready
from tests.support.optuna_oracle import rdb_storage_at
from tests.support.service import Postgres, Program, Replica, wait_until
from tests.support.workers import (
    WORKER_SPACE,
    Ledger,
    WorkerPool,
    WorkerRecord,
    play_until_stopped,
    worker_pool,
)

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

    def start(self) -> None:
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
        cluster.start()
        yield cluster
    finally:
        cluster.close()


pytestmark = pytest.mark.accept

N_WORKERS = scaled(32, 8)
SECONDS = scaled(60, 20)
SECONDS_BETWEEN_KILLS = 5
STUDIES = {"tpe-1": "tpe", "tpe-2": "tpe", "random-1": "random", "random-2": "random"}
Record = Callable[[str, Any], None]
Window = tuple[float, float]  # in which something was down


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with running_cluster(3) as cluster:
        with HttpClient(cluster.port) as client:
            for name, sampler in STUDIES.items():
                client.create_study(
                    name=name, direction="minimize", search_space=WORKER_SPACE, sampler=sampler
                )
        yield cluster


@pytest.fixture(scope="module")
def ledger() -> Ledger:
    """Of all that is played here."""
    return Ledger(STUDIES)


@pytest.fixture(scope="module")
def workers() -> Iterator[WorkerPool]:
    with worker_pool(N_WORKERS) as workers:
        yield workers


def test_killed_replicas_and_a_restarted_postgresql_lose_nothing(
    cluster: Cluster, ledger: Ledger, workers: WorkerPool, record_property: Record
) -> None:
    tasks: list[Future[WorkerRecord]] = workers.start(
        play_until_stopped, cluster.port, list(STUDIES)
    )
    try:
        down, n_kills = _disturb(cluster)
    finally:
        seen = workers.finish(tasks)
    for each in seen:
        ledger.add_record(each, *down)
    n_trials = _assert_all_agree(cluster, ledger)

    failures = list(chain.from_iterable(each.failures for each in seen))
    statuses = Counter(failure.status for failure in failures)
    # A process that is killed while it sends an answer cuts it off.
    assert [
        each.text
        for each in failures
        if each.status not in {502, 503} and "IncompleteRead" not in each.text
    ] == []
    record_property(
        "found",
        f"{N_WORKERS} workers, {SECONDS} s, {n_kills} kills, 2 restarts of PostgreSQL: "
        f"{n_trials} trials; acknowledged {len(ledger.suggested)} suggestions and "
        f"{len(ledger.completed)} completions",
    )
    record_property("found", f"error answers, all while something was down: {dict(statuses)}")


def test_deployment_fails_no_request(
    cluster: Cluster, ledger: Ledger, workers: WorkerPool, record_property: Record
) -> None:
    before = len(ledger.suggested)
    tasks: list[Future[WorkerRecord]] = workers.start(
        play_until_stopped, cluster.port, list(STUDIES)
    )
    seconds = []
    try:
        for replica in cluster.replicas:
            time.sleep(2)
            began = time.monotonic()
            replica.signal(signal.SIGTERM)
            assert replica.wait() == 0
            seconds.append(time.monotonic() - began)
            replica.start_and_wait()
        time.sleep(2)
    finally:
        seen = workers.finish(tasks)
    for each in seen:
        assert each.failures == []
        ledger.add_record(each)
    _assert_all_agree(cluster, ledger)
    record_property(
        "found",
        f"{len(cluster.replicas)} replicas replaced: no request failed, "
        f"{len(ledger.suggested) - before} trials meanwhile; each had stopped "
        f"after {max(seconds):.1f} s at most",
    )


def _disturb(cluster: Cluster) -> tuple[list[Window], int]:
    """Kill and stop things for a while; gives when something was down, and the kills."""
    began = time.monotonic()
    stops = {SECONDS / 3: signal.SIGINT, SECONDS * 2 / 3: signal.SIGQUIT}
    restarts: dict[Replica, Future[Window]] = {}
    next_kill = float(SECONDS_BETWEEN_KILLS)
    windows: list[Future[Window]] = []
    with ThreadPoolExecutor() as pool:
        while (now := time.monotonic() - began) < SECONDS:
            whole = [
                each for each in cluster.replicas if each not in restarts or restarts[each].done()
            ]
            # On a slow machine the last one is let live, or there would be nothing to prove.
            if now >= next_kill and len(whole) > 1:
                victim = random.choice(whole)
                windows.append(pool.submit(_kill, victim))
                restarts[victim] = windows[-1]
                next_kill = now + SECONDS_BETWEEN_KILLS
            for due in [each for each in stops if each <= now]:
                windows.append(pool.submit(_restart_postgres, cluster, stops.pop(due)))
            time.sleep(0.1)
        down = [window.result() for window in windows]
    time.sleep(2 * SECONDS_BETWEEN_KILLS)  # in which nothing may fail any more
    return down, len(windows) - 2


def _kill(replica: Replica) -> Window:
    began = time.monotonic()
    replica.kill()
    replica.start_and_wait()
    return began, time.monotonic()


def _restart_postgres(cluster: Cluster, number: signal.Signals) -> Window:
    began = time.monotonic()
    cluster.postgres.stop(number)
    cluster.postgres.start()
    wait_until(lambda: is_ready(cluster.port), "ready")
    return began, time.monotonic()


def _assert_all_agree(cluster: Cluster, ledger: Ledger) -> int:
    """What was acknowledged is there once, on both sides, and stock Optuna sees it."""
    with HttpClient(cluster.port) as client:
        n_trials = ledger.check(client)
    cluster.manage("check_optuna")
    with rdb_storage_at(cluster.optuna_url) as storage:
        stock = {
            (name, trial.number): trial
            for name in STUDIES
            for trial in optuna.load_study(study_name=name, storage=storage).trials
        }
    assert len(stock) == n_trials
    for key, params in ledger.suggested.items():
        assert repr(stock[key].params) == params
    for key, value in ledger.completed.items():
        assert (stock[key].state.name, stock[key].value) == ("COMPLETE", value)
    return n_trials

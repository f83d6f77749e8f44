"""Recovery of the service from several faults of the database.

One gunicorn without a pooler, on a PostgreSQL that the tests stop and start.
"""

import shutil
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import psycopg
import pytest

from tests.support import scaled
from tests.support.http_client import HttpClient
from tests.support.service import Postgres, Replica, wait_until
from tests.support.workers import WORKER_SPACE, WorkerPool, play_until_stopped, worker_pool
from tuner_project.health import KEPT

pytestmark = pytest.mark.accept

SECONDS_AWAY = scaled(20, 5)
SETTINGS = {
    "WEB_THREADS": "4",
    "DB_POOL_TIMEOUT": "2",
    "DB_STATEMENT_TIMEOUT": "2",
    "MAX_ATTRIBUTE_BYTES": "0",  # large ones fill the disk soon
}
Record = Callable[[str, Any], None]
STUDIES = {"tpe": "tpe", "random": "random"}
N_CLIENTS = 8  # as many as the replica has threads
MEGABYTES = 150  # of the file system on which PostgreSQL finds no more room


class World:
    """PostgreSQL and one replica on it."""

    def __init__(self, folder: Path) -> None:
        self.postgres = Postgres(folder / "data")
        self.url = self.postgres.server.url()
        self.replica = Replica(folder, self.url, SETTINGS)

    def start_and_wait(self) -> None:
        self.manage("migrate", "--verbosity", "0")
        self.replica.start_and_wait()
        with HttpClient(self.replica.port) as client:
            for name, sampler in STUDIES.items():
                client.create_study(name=name, search_space=WORKER_SPACE, sampler=sampler)

    def manage(self, *arguments: str) -> None:
        command = [self.replica.command[0], "manage.py", *arguments]
        subprocess.run(command, env=self.replica.environment, check=True, timeout=600)

    def close(self) -> None:
        self.replica.stop()
        self.postgres.close()


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    folder = Path(mkdtemp(prefix="tuner-faults-", dir="/tmp"))
    folder.chmod(0o755)  # PostgreSQL's account passes through it
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def world(folder: Path) -> Iterator[World]:
    world = World(folder)
    try:
        world.start_and_wait()
        yield world
    finally:
        world.close()


@pytest.fixture
def workers() -> Iterator[WorkerPool]:
    with worker_pool() as workers:
        yield workers


def health(client: HttpClient) -> tuple[int, str, int]:
    answer = client.call("GET", "/health")
    return answer.status, answer.body["status"], client.call("GET", "/ready").status


def test_service_recovers_from_an_outage_of_postgresql(
    world: World, workers: WorkerPool, record_property: Record
) -> None:
    master = world.replica.pids()
    tasks = workers.start(play_until_stopped, world.replica.port, list(STUDIES))
    with HttpClient(world.replica.port) as client:
        try:
            time.sleep(2)
            assert health(client) == (200, "healthy", 200)
            began = time.monotonic()
            world.postgres.stop(signal.SIGQUIT)
            time.sleep(KEPT)
            while time.monotonic() < began + SECONDS_AWAY:
                assert health(client) == (200, "degraded", 503)
                time.sleep(1)
            world.postgres.start()
            ended = time.monotonic()
            wait_until(lambda: client.call("GET", "/studies").status == 200, "back")
            seconds = time.monotonic() - ended
            time.sleep(3)
        finally:
            seen = workers.finish(tasks)
        assert health(client) == (200, "healthy", 200)
    assert world.replica.pids() == master  # nothing was restarted
    failures = [failure for each in seen for failure in each.failures]
    assert [fault for each in seen for fault in each.faults] == []
    assert {failure.status for failure in failures} == {503}, failures
    world.manage("check_optuna")
    n_told = sum(len(each.completed) for each in seen)
    record_property(
        "found",
        f"away for {SECONDS_AWAY} s: {len(failures)} answers 503, no other; back "
        f"{seconds:.1f} s after PostgreSQL was; {n_told} trials told",
    )


def test_no_request_fails_after_a_restart_of_postgresql(world: World) -> None:
    """All connections of the pool are dead, and no request was made while PostgreSQL was away."""

    def play(_: int) -> list[int]:
        statuses = []
        with HttpClient(world.replica.port) as client:
            for _ in range(3):
                asked = client.call("POST", "/studies/random/trials/suggest")
                number = asked.body.get("trial_id")
                told = client.call(
                    "POST", f"/studies/random/trials/{number}/complete", {"values": 1}
                )
                statuses += [asked.status, told.status]
        return statuses

    with ThreadPoolExecutor(N_CLIENTS) as threads:
        for mode in (signal.SIGINT, signal.SIGQUIT):
            assert {each for found in threads.map(play, range(N_CLIENTS)) for each in found} == {
                200
            }
            world.postgres.stop(mode)
            world.postgres.start()
            assert {each for found in threads.map(play, range(N_CLIENTS)) for each in found} == {
                200
            }
    world.manage("check_optuna")


def test_service_recovers_from_exhausted_connections(world: World) -> None:
    """Others hold all that PostgreSQL gives, and the pool has lost its own."""
    with HttpClient(world.replica.port) as client, ExitStack() as stack:
        with psycopg.connect(world.url, autocommit=True) as direct:
            direct.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE pid <> pg_backend_pid() AND datname = current_database()"
            )
        with pytest.raises(psycopg.OperationalError):
            while True:
                stack.enter_context(psycopg.connect(world.url))
        answers = Counter(client.call("GET", "/studies").body["code"] for _ in range(2))
        assert answers == {"storage_busy": 2}
        assert client.call("GET", "/health").status == 200
        stack.close()
        wait_until(lambda: client.call("GET", "/studies").status == 200, "back")


def test_service_recovers_from_a_statement_timeout(world: World) -> None:
    with HttpClient(world.replica.port) as client, psycopg.connect(world.url) as direct:
        direct.execute("LOCK TABLE studies_study IN ACCESS EXCLUSIVE MODE")
        for answer in (client.call("GET", "/studies"), client.call("POST", ask("random"))):
            assert (answer.status, answer.body["code"]) == (503, "storage_busy")
        direct.rollback()
        assert client.call("POST", ask("random")).status == 200
    world.manage("check_optuna")


def ask(study: str) -> str:
    return f"/studies/{study}/trials/suggest"


@pytest.fixture
def small_world() -> Iterator[tuple[World, Path]]:
    """One whose PostgreSQL lies in a small file system of its own."""
    folder = Path(mkdtemp(prefix="tuner-full-", dir="/tmp"))
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={MEGABYTES}m,mode=755", "tuner", str(folder)],
        capture_output=True, text=True,
    )  # fmt: skip
    try:
        if mounted.returncode != 0:
            pytest.skip(f"no file system of its own can be mounted: {mounted.stderr.strip()}")
        world = World(folder)
        try:
            world.start_and_wait()
            yield world, folder
        finally:
            world.close()
    finally:
        if mounted.returncode == 0:
            subprocess.run(["umount", str(folder)], check=True)
        folder.rmdir()


def test_service_recovers_from_a_full_disk(
    small_world: tuple[World, Path], record_property: Record
) -> None:
    world, folder = small_world
    notes = {"notes": "x" * 100_000}
    filling = folder / "filling"
    with HttpClient(world.replica.port) as client:
        filling.write_bytes(b"\0" * max(0, shutil.disk_usage(folder).free - 3 * 2**20))
        told = 0
        while True:
            asked = client.call("POST", ask("random"))
            if asked.status != 200:
                break
            number = asked.body["trial_id"]
            path = f"/studies/random/trials/{number}/complete"
            asked = client.call("POST", path, {"values": told, "user_attrs": notes})
            if asked.status != 200:
                break
            told += 1
            assert told < 1000, "the disk is never full"
        assert (asked.status, asked.body["code"]) in {
            (503, "storage_full"),
            (503, "storage_away"),  # PostgreSQL ends where its log finds no room
        }
        code = asked.body["code"]
        filling.unlink()
        if world.postgres.server.is_down():
            world.postgres.start()
        wait_until(lambda: client.call("POST", ask("random")).status == 200, "back")
        trials = client.all_trials("random")
    done = [trial for trial in trials if trial["state"] == "COMPLETE"]
    assert len(done) == told
    world.manage("check_optuna")
    record_property("found", f"full after {told} trials: {code}; back without a restart")

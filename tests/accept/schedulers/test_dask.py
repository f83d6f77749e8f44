"""docs/schedulers/dask.md: the task of a killed process of Dask goes on in another one."""

from pathlib import Path
from typing import Any

import pytest

from tests.accept.schedulers.conftest import Start
from tests.accept.schedulers.recipes import (
    EXAMPLES,
    check_budget,
    check_names,
    check_resumed,
    environment,
    kill_in_the_middle,
    make_environment,
    wait_for_trials,
)
from tests.support.http_client import HttpClient, free_port
from tests.support.service import Service

pytestmark = pytest.mark.accept


def test_dask_workers_use_the_budget_up_although_one_is_killed(
    service: Service, client: HttpClient, start: Start, tmp_path: Path, record_property: Any
) -> None:
    programs = make_environment(tmp_path, "dask")
    address = f"tcp://127.0.0.1:{(port := free_port())}"
    env = environment(service, tmp_path, DASK_SCHEDULER_ADDRESS=address)
    own = ["--host", "127.0.0.1", "--no-dashboard"]

    start(programs / "dask", "scheduler", *own, "--port", port, env=env)
    size = ["--nworkers", 4, "--nthreads", 1]
    workers = start(programs / "dask", "worker", address, *own, *size, env=env)
    program = start(programs / "python", EXAMPLES / "dask_workers.py", env=env)
    wait_for_trials(client, "dask", 3, program.log)
    left = kill_in_the_middle(lambda: workers.children("spawn_main"), client, "dask", program.log)
    assert "Best(trial_id=" in program.finish()

    trials = check_budget(service, "dask")
    record_property("found", check_resumed(trials, left))
    check_names(trials, "dask")

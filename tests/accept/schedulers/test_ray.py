"""docs/schedulers/ray.md: tasks of Ray, and Ray Tune."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import pytest

from tests.accept.schedulers.conftest import Start
from tests.accept.schedulers.recipes import (
    EXAMPLES,
    check_budget,
    check_resumed,
    environment,
    kill_in_the_middle,
    make_environment,
    wait_for_trials,
)
from tests.support.http_client import HttpClient
from tests.support.service import Service

pytestmark = pytest.mark.accept

WORKER = re.compile(r"ray-\d{4}-\d\d-\d\d_[0-9_-]+-([0-9a-f]{48})")


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_environment(tmp_path_factory.mktemp("ray"), "ray") / "python"


@pytest.fixture
def env(service: Service, tmp_path: Path) -> Iterator[dict[str, str]]:
    """An environment in which Ray listens at 127.0.0.1 only, and reports to no one."""
    folder = mkdtemp(prefix="ray-", dir="/tmp")  # the paths of its sockets must be short
    yield environment(
        service, tmp_path, RAY_TMPDIR=folder,
        RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER="0", RAY_USAGE_STATS_ENABLED="0",
    )  # fmt: skip
    shutil.rmtree(folder)


def test_ray_tasks_use_the_budget_up_although_one_is_killed(
    python: Path, env: dict[str, str], service: Service, client: HttpClient, start: Start,
    record_property: Any,
) -> None:  # fmt: skip
    program = start(python, EXAMPLES / "ray_tasks.py", env=env)
    wait_for_trials(client, "ray-tasks", 3, program.log)
    left = kill_in_the_middle(
        lambda: program.children("ray::work"), client, "ray-tasks", program.log
    )
    assert "Best(trial_id=" in program.finish()

    trials = check_budget(service, "ray-tasks")
    record_property("found", check_resumed(trials, left))
    assert all(WORKER.fullmatch(trial["worker_id"]) for trial in trials)


def test_threads_of_a_ray_task_keep_their_names_when_it_is_retried(
    python: Path, env: dict[str, str], service: Service, start: Start, tmp_path: Path
) -> None:
    """Ray itself gives them other ids in each process."""
    program = start(
        python, Path(__file__).with_name("ray_threads.py"), tmp_path / "killed", env=env
    )
    program.finish()

    trials = check_budget(service, "ray-threads", 8)
    assert (tmp_path / "killed").exists()
    assert {trial["attempt"] for trial in trials} == {1}
    first, second = sorted({trial["worker_id"] for trial in trials})
    assert WORKER.fullmatch(first)
    assert second == f"{first}.1"


def test_searcher_tells_what_tune_tells_it_and_survives_its_process(
    python: Path, env: dict[str, str], service: Service, client: HttpClient, start: Start,
    tmp_path: Path,
) -> None:  # fmt: skip
    created = service.manage("create_token", "tune", "--scope", "manage")
    env["TUNER_TOKEN"] = created.stdout.split()[-1]
    for process in ("first", "second"):
        program = Path(__file__).with_name("tune_searcher.py")
        start(python, program, process, tmp_path, env=env).finish()

    trials = client.all_trials("searcher")
    assert [
        (each["state"], each["values"], each["intermediate_values"], each["attempt"])
        for each in trials
    ] == [
        ("COMPLETE", [0.5], {"1": 0.1, "2": 0.2, "3": 0.3, "4": 0.4, "5": 0.5}, 1),
        ("PRUNED", [0.2], {"1": 0.1, "2": 0.2}, 1),
        ("FAIL", None, {}, 1),
        ("COMPLETE", [0.8], {"1": 0.7, "2": 0.8}, 2),
    ]
    assert trials[1]["reason"] == "stopped by the scheduler of Ray Tune"
    assert trials[2]["retried_as"] == 3
    assert client.get("/studies/searcher")["state_reason"] == "max_trials"
    good, bad = client.all_trials("two-objectives")
    assert (good["state"], good["values"], good["intermediate_values"]) == (
        "COMPLETE",
        [0.2, 0.6],
        {},
    )
    assert bad["reason"] == "Ray Tune ended the trial without a result with ['loss', 'accuracy']"
    service.check_optuna()


def test_ray_tune_uses_the_budget_up_although_an_evaluation_and_the_driver_are_killed(
    python: Path, env: dict[str, str], service: Service, client: HttpClient, start: Start,
    tmp_path: Path, record_property: Any,
) -> None:  # fmt: skip
    command = [python, EXAMPLES / "ray_tune.py", tmp_path]
    program = start(*command, env=env)
    wait_for_trials(client, "ray-tune", 2, program.log)
    left = kill_in_the_middle(
        lambda: program.children("ray::ImplicitFunc"), client, "ray-tune", program.log
    )
    wait_for_trials(client, "ray-tune", 8, program.log)
    program.end()
    again = start(*command, env=env)
    again.finish()

    trials = check_budget(service, "ray-tune")
    assert [trials[left["trial_id"]][key] for key in ("attempt", "worker_id")] == [
        1,
        left["worker_id"],
    ]
    counts = [trial["state"] for trial in trials]
    record_property("found", f"{counts.count('PRUNED')} of {len(trials)} trials pruned")

"""docs/schedulers/slurm.md: an array of workers, requeued in the middle of a trial."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from tests.accept.schedulers.recipes import EXAMPLES, check_budget, check_resumed, environment
from tests.accept.schedulers.slurm import Slurm, running_slurm, why_not
from tests.support import ROOT
from tests.support.http_client import HttpClient
from tests.support.service import Service, wait_until

pytestmark = [pytest.mark.accept, pytest.mark.skipif(bool(why_not()), reason=why_not() or "")]

STUDY = "resumed"


@pytest.fixture(scope="module")
def slurm() -> Iterator[Slurm]:
    with TemporaryDirectory(prefix="slurm-", dir="/tmp") as folder:  # short: it has sockets
        Path(folder).chmod(0o755)  # as munged demands
        with running_slurm(Path(folder)) as slurm:
            yield slurm


@pytest.fixture(autouse=True)
def _delete_study(client: HttpClient) -> Iterator[None]:
    yield
    client.call("DELETE", f"/studies/{STUDY}")


class Array:
    """The recipe's array, submitted."""

    def __init__(self, slurm: Slurm, service: Service, *options: Any) -> None:
        env = environment(service, slurm.folder, PYTHONPATH=str(ROOT / "clients/python/src"))
        env["PATH"] = f"{Path(sys.executable).parent}:{slurm.environment['PATH']}"
        own = [f"--chdir={EXAMPLES}", f"--output={slurm.folder}/%A_%a.log"]
        script = EXAMPLES / "slurm_job.sh"
        self._slurm = slurm
        self.id = slurm.run("sbatch", "--parsable", *own, *options, script, env=env)

    def worker(self, task: int) -> str:
        return f"recipes-{self.id}_{task}.0-0"

    def log(self, task: int = 0) -> Path:
        return self._slurm.folder / f"{self.id}_{task}.log"

    def wait(self) -> None:
        wait_until(lambda: not self._slurm.states(), "at the end of the jobs", self.log())

    def restarts(self, task: int) -> int:
        shown = self._slurm.run("scontrol", "show", "job", f"{self.id}_{task}")
        return int(re.findall(r"Restarts=(\d+)", shown)[0])


def trial_of(client: HttpClient, worker: str) -> dict[str, Any] | None:
    """The running trial of a worker, if it has reported some steps."""
    answer = client.call("GET", f"/studies/{STUDY}/trials?state=RUNNING&worker_id={worker}")
    trials = answer.body if answer.status == 200 else []  # there is no study yet
    return next((each for each in trials if len(each["intermediate_values"]) > 2), None)


def test_requeued_slurm_job_goes_on_with_its_trial(
    slurm: Slurm, service: Service, client: HttpClient, record_property: Any
) -> None:
    array = Array(slurm, service, "--array=0-2")
    step, worker = f"{array.id}_1.0", array.worker(1)

    def is_stopped_in_a_trial() -> bool:
        if trial_of(client, worker) is None:
            return False
        slurm.run("scancel", "--signal=STOP", step)
        if trial_of(client, worker) is not None:
            return True
        slurm.run("scancel", "--signal=CONT", step)
        return False

    wait_until(is_stopped_in_a_trial, "in the middle of a trial", array.log(1))
    left = trial_of(client, worker)
    assert left is not None
    slurm.run("scontrol", "requeue", f"{array.id}_1")  # sends SIGTERM
    array.wait()

    assert [array.restarts(task) for task in range(3)] == [0, 1, 0]
    trials = check_budget(service, STUDY)
    record_property("found", check_resumed(trials, left))
    assert {trial["worker_id"] for trial in trials} == {array.worker(task) for task in range(3)}


def test_slurm_job_whose_time_ends_is_requeued_and_goes_on(
    slurm: Slurm, service: Service, client: HttpClient, record_property: Any
) -> None:
    array = Array(slurm, service, "--array=0", "--time=1", "--signal=TERM@50")
    array.wait()

    trials = check_budget(service, STUDY)
    assert {(trial["worker_id"], trial["attempt"]) for trial in trials} == {(array.worker(0), 1)}
    assert all(
        list(trial["intermediate_values"]) == [str(n) for n in range(10)] for trial in trials
    )
    restarts = array.restarts(0)
    assert restarts >= 1
    record_property("found", f"{len(trials)} trials in {restarts + 1} starts, none repeated")

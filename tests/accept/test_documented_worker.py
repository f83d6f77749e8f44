"""The robust worker of docs/workers.md survives what it promises."""

import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support import ROOT, scaled
from tests.support.http_client import HttpClient
from tests.support.service import Service, running_service, wait_until

pytestmark = pytest.mark.accept

STUDY = "robust-opt"
SECONDS = 120
Start = Callable[[list[str]], subprocess.Popen[str]]
OUTAGE = scaled(60, 10)  # seconds
SLOW = "import random; time.sleep(0.2); "  # a step takes some time, and differs when repeated


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with running_service() as service:
        yield service


@pytest.fixture
def client(service: Service) -> Iterator[HttpClient]:
    with HttpClient(service.port) as client:
        yield client
        client.call("DELETE", f"/studies/{STUDY}")


def worker(service: Service, folder: Path, objective: str, **study: Any) -> list[str]:
    """Write the documented worker with another objective and study; returns its command."""
    study = {"pruner": "none", "pruner_options": {}} | study
    (text,) = re.findall(
        r"```python\n(# worker\.py\n.*?)```", (ROOT / "docs/workers.md").read_text(), re.DOTALL
    )
    replaced = {
        "http://127.0.0.1:8000": f"http://127.0.0.1:{service.port}",
        '        yield 1 - params["x"] ** 2 - 1 / (step + 1)\n': f"        {objective}\n",
        '    "max_trials": 20,': "".join(f'    "{k}": {v!r},\n' for k, v in study.items()),
    }
    for old, new in replaced.items():
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    file = folder / "worker.py"
    file.write_text(text)
    return [sys.executable, str(file), "gpu-1"]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts a worker, which is killed at the end if it still runs."""
    started: list[subprocess.Popen[str]] = []

    def start_one(command: list[str]) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        started.append(process)
        return process

    yield start_one
    for process in started:
        process.kill()
        process.communicate()


def finish(process: subprocess.Popen[str]) -> str:
    printed, _ = process.communicate(timeout=SECONDS + OUTAGE)
    assert process.returncode == 0, printed
    return printed


def steps_of(client: HttpClient, number: int) -> int:
    answer = client.call("GET", f"/studies/{STUDY}/trials/{number}")
    return len(answer.body["intermediate_values"]) if answer.status == 200 else 0


def test_worker_goes_on_after_a_kill_in_the_middle_of_a_trial(
    service: Service, client: HttpClient, start: Start, tmp_path: Path
) -> None:
    objective = SLOW + "yield random.random()"
    command = worker(service, tmp_path, objective, max_trials=2)
    first = start(command)
    wait_until(lambda: steps_of(client, 0) >= 4, "reporting")
    first.kill()
    first.wait()
    before = client.get(f"/studies/{STUDY}/trials/0")["intermediate_values"]
    assert "is completed: max_trials" in finish(start(command))
    trials = client.all_trials(STUDY)
    assert [(each["state"], each["attempt"]) for each in trials] == [("COMPLETE", 1)] * 2
    after = trials[0]["intermediate_values"]
    assert len(after) == 10
    assert all(after[step] != value for step, value in before.items())  # evaluated again
    assert trials[0]["values"] == [after["9"]]
    service.check_optuna()


def test_worker_of_a_study_that_is_created_again_serves_the_new_one(
    service: Service, client: HttpClient, start: Start, tmp_path: Path
) -> None:
    command = worker(service, tmp_path, SLOW + 'yield params["x"]', max_trials=1)
    process = start(command)
    wait_until(lambda: steps_of(client, 0) >= 4, "reporting")
    old = client.get(f"/studies/{STUDY}")
    client.call("DELETE", f"/studies/{STUDY}").expect(204)
    definition = {key: old[key] for key in ("direction", "search_space", "pruner", "max_trials")}
    new = client.create_study(name=STUDY, **definition)
    held = client.call("POST", f"/studies/{STUDY}/trials/suggest", {"worker_id": "rightful"})
    time.sleep(1)  # the old worker reports meanwhile
    assert steps_of(client, 0) == 0
    fence = {"study_id": new["study_id"], "worker_id": "rightful"}
    client.call(
        "POST", f"/studies/{STUDY}/trials/0/complete", {"values": 7} | fence
    ).expect(200)  # fmt: skip
    printed = finish(process)
    assert f"its study_id is {new['study_id']}, not {old['study_id']}" in printed
    (trial,) = client.all_trials(STUDY)
    assert (trial["values"], trial["params"]) == ([7.0], held.body["params"])


def test_poison_trials_end(
    service: Service, client: HttpClient, start: Start, tmp_path: Path, record_property: Any
) -> None:
    """Where x > 0.5, the evaluation kills its process, whose supervisor starts it again."""
    objective = (
        'import os; os._exit(9) if params["x"] > 0.5 else None; yield params["x"]'  # a crash
    )
    command = worker(
        service, tmp_path, objective,
        max_trials=8, max_reoffers=2, max_retries=0, sampler="random",
        sampler_options={"seed": 1},
    )  # fmt: skip
    starts = 0
    while True:
        starts += 1
        assert starts < 200, "the poison trials do not end"
        process = start(command)
        process.communicate(timeout=SECONDS)
        if process.returncode == 0:
            break
    trials = client.all_trials(STUDY)
    failed = [each for each in trials if each["state"] == "FAIL"]
    assert {each["reason"] for each in failed} == {"reoffered too often"}
    assert all(each["params"]["x"] > 0.5 for each in failed)
    assert len(failed) >= 1
    assert sum(each["state"] == "COMPLETE" for each in trials) == 8
    record_property("found", f"{len(failed)} poison trials ended after {starts} starts")


def test_worker_waits_for_a_service_that_is_away(
    service: Service, client: HttpClient, start: Start, tmp_path: Path, record_property: Any
) -> None:
    command = worker(service, tmp_path, SLOW + 'yield params["x"]', max_trials=3)
    process = start(command)
    wait_until(lambda: steps_of(client, 0) >= 4, "reporting")
    service.end(signal.SIGTERM)
    time.sleep(OUTAGE)
    assert process.poll() is None
    service.start()
    assert "is completed: max_trials" in finish(process)
    with HttpClient(service.port) as again:
        trials = again.all_trials(STUDY)
    assert [each["state"] for each in trials] == ["COMPLETE"] * 3
    assert all(len(each["intermediate_values"]) == 10 for each in trials)
    record_property("found", f"away for {OUTAGE} s; all {len(trials)} trials completed")

"""The programs of docs/schedulers, run as they are: their environments, their ends, their kills."""

import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from socket import gethostname
from typing import Any

import psutil
import pytest

from tests.support import ROOT
from tests.support.http_client import HttpClient, study_path
from tests.support.service import Service, log_tail, wait_until

EXAMPLES = ROOT / "clients" / "python" / "examples"
SECONDS = 170  # for a recipe, once it is installed
N_TRIALS = 20  # `max_trials` of the recipes
LOST = "lease expired"
UNREACHABLE = re.compile(r"NewConnectionError|NameResolution|ConnectTimeout|from versions: none")
# Variables of the machine that would name a worker, or its service.
_LEFT_OUT = re.compile(r"TUNER_|SLURM_|RAY_|DASK_|JOB_COMPLETION_INDEX|PYTHONPATH")


def make_environment(folder: Path, scheduler: str, *projects: str) -> Path:
    """Install a scheduler and the client into a virtual environment; returns its programs' folder.

    Skips the test where the package index cannot be reached.
    """
    subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
    copies = [  # since building leaves files in the sources
        shutil.copytree(ROOT / "clients" / name, folder / name) for name in ("python", *projects)
    ]
    requirements = EXAMPLES / f"requirements-{scheduler}.txt"
    python = str(folder / "venv/bin/python")
    pip = [python, "-m", "pip", "--no-input", "install", "--quiet", "--retries", "1"]
    done = subprocess.run(
        [*pip, "--requirement", str(requirements), *map(str, copies)],
        capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip
    unreachable = [line for line in done.stderr.splitlines() if UNREACHABLE.search(line)]
    if done.returncode and unreachable:
        pytest.skip(f"{scheduler} cannot be installed: {unreachable[-1].strip()}")
    assert done.returncode == 0, done.stderr[-3000:]
    return folder / "venv" / "bin"


def environment(service: Service, home: Path, **variables: str) -> dict[str, str]:
    """The environment of a recipe: a home of its own, and the address of the service."""
    inherited = {key: value for key, value in os.environ.items() if not _LEFT_OUT.match(key)}
    url = f"http://127.0.0.1:{service.port}"
    return {**inherited, "HOME": str(home), "TUNER_URL": url, **variables}


class Recipe:
    """A running program, with its log."""

    def __init__(self, command: list[Any], env: Mapping[str, str], folder: Path) -> None:
        self.log = folder / f"{Path(str(command[1])).stem}.log"
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [str(part) for part in command], cwd=folder, env=dict(env),
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip

    def children(self, mark: str) -> list[psutil.Process]:
        """The processes that it has started and whose command has a mark."""
        found = psutil.Process(self.process.pid).children(recursive=True)
        return [each for each in found if mark in _command(each)]

    def finish(self) -> str:
        """Wait for its end and return what it printed."""
        self.process.wait(SECONDS)
        printed = self.log.read_text(errors="replace")
        assert self.process.returncode == 0, printed[-3000:]
        return printed

    def end(self) -> None:
        """Kill it with all that it has started."""
        if self.process.poll() is None:
            family = psutil.Process(self.process.pid).children(recursive=True)
            for each in [psutil.Process(self.process.pid), *family]:
                each.kill()
            psutil.wait_procs(family, 10)
        self.process.wait()


def _command(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return ""


# What happens to it -----------------------------------------------------------------------


def count_done(client: HttpClient, study: str) -> int:
    answer = client.call("GET", f"{study_path(study)}/progress")
    return int(answer.body["n_done"]) if answer.status == 200 else 0


def wait_for_trials(client: HttpClient, study: str, n: int, log: Path) -> None:
    wait_until(lambda: count_done(client, study) >= n, f"{n} trials done", log)


def kill_in_the_middle(
    find: Callable[[], list[psutil.Process]],
    client: HttpClient,
    study: str,
    log: Path,
    number: signal.Signals = signal.SIGKILL,
) -> dict[str, Any]:
    """Kill a process that evaluates a trial, after some steps; returns the trial as it was left.

    It is stopped first: the trial that makes no progress then is its own.
    """
    for _ in range(30):
        victim = random.choice(find())
        victim.suspend()
        before = _in_the_middle(client, study)
        time.sleep(1)
        left = [trial for trial in _in_the_middle(client, study) if trial in before]
        if len(left) == 1:
            victim.send_signal(number)
            if number != signal.SIGKILL:
                victim.resume()
            return left[0]
        victim.resume()
        time.sleep(0.3)
    raise AssertionError(f"no process was in the middle of a trial: {log_tail(log)}")


def _in_the_middle(client: HttpClient, study: str) -> list[dict[str, Any]]:
    running = client.get(f"{study_path(study)}/trials?state=RUNNING")
    return [trial for trial in running if trial["intermediate_values"]]


def check_budget(service: Service, study: str, n_trials: int = N_TRIALS) -> list[dict[str, Any]]:
    """Check that a study has used its budget up, exactly, and returns its trials.

    Beyond the budget there may be attempts whose leases have expired, and that were retried.
    """
    with HttpClient(service.port) as client:
        summary, trials = client.get(study_path(study)), client.all_trials(study)
    assert (summary["state"], summary["state_reason"]) == ("COMPLETED", "max_trials")
    lost = [trial for trial in trials if trial["state"] == "FAIL"]
    assert [each for each in lost if each["reason"] != LOST or each["retried_as"] is None] == []
    assert {each["state"] for each in trials if each not in lost} <= {"COMPLETE", "PRUNED"}
    assert len(trials) - len(lost) == n_trials
    service.check_optuna()
    return trials


def check_resumed(trials: list[dict[str, Any]], left: Mapping[str, Any]) -> str:
    """Check that a trial went on where its worker was killed: same worker, no step repeated.

    Returns what to print of it.
    """
    trial = trials[left["trial_id"]]
    kept = ["worker_id", "params", "study_id"]
    assert {key: trial[key] for key in kept} == {key: left[key] for key in kept}
    assert (trial["state"], trial["attempt"]) == ("COMPLETE", 1)
    assert list(trial["intermediate_values"]) == [str(step) for step in range(10)]
    # Evaluated again, a step would have another value.
    assert left["intermediate_values"].items() <= trial["intermediate_values"].items()
    n_steps = len(left["intermediate_values"])
    return f"killed in trial {left['trial_id']} after step {n_steps - 1}, which then went on"


def check_names(trials: list[dict[str, Any]], prefix: str) -> None:
    """Check that the workers are numbered from 0, and each name was one worker's."""
    names = {trial["worker_id"] for trial in trials}
    assert names == {f"{prefix}-{gethostname()}-{number}" for number in range(len(names))}

"""docs/schedulers/hydra.md: the sweeper of Hydra."""

from pathlib import Path

import psutil
import pytest
import yaml

from tests.accept.schedulers.conftest import Start
from tests.accept.schedulers.recipes import (
    check_budget,
    environment,
    make_environment,
    wait_for_trials,
)
from tests.support import ROOT
from tests.support.http_client import HttpClient
from tests.support.service import Service, wait_until

pytestmark = pytest.mark.accept

TRAIN = ROOT / "clients" / "hydra" / "example" / "train.py"


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_environment(tmp_path_factory.mktemp("hydra"), "hydra", "hydra") / "python"


def test_hydra_sweep_uses_the_budget_up(
    python: Path, service: Service, client: HttpClient, start: Start, tmp_path: Path
) -> None:
    env = environment(service, tmp_path)
    start(python, TRAIN, "--multirun", "hydra.sweep.dir=sweep", "+epochs=3", env=env).finish()

    trials = check_budget(service, "hydra")
    assert {trial["state"] for trial in trials} == {"COMPLETE"}
    assert {trial["params"]["layers"] for trial in trials} <= set(range(1, 9))
    (best,) = yaml.safe_load((tmp_path / "sweep/optimization_results.yaml").read_text())["best"]
    assert best | {"value": best["values"][0]} == client.get("/studies/hydra/best") | {
        "values": best["values"]
    }
    configs = [
        yaml.safe_load((tmp_path / f"sweep/{number}/.hydra/config.yaml").read_text())
        for number in range(20)
    ]
    assert configs == [trial["params"] | {"epochs": 3} for trial in trials]


def test_killed_hydra_sweep_goes_on_with_its_batch(
    python: Path, service: Service, client: HttpClient, start: Start, tmp_path: Path
) -> None:
    options = ["hydra.sweeper.study=killed", "hydra.sweeper.worker_id=sweep"]
    command = [python, TRAIN, "--multirun", *options]
    program = start(*command, env=environment(service, tmp_path))
    wait_for_trials(client, "killed", 4, program.log)
    process = psutil.Process(program.process.pid)

    def is_stopped_in_a_batch() -> bool:
        process.suspend()
        if client.get("/studies/killed")["trial_counts"]["RUNNING"] > 0:
            return True
        process.resume()
        return False

    wait_until(is_stopped_in_a_batch, "in a batch", program.log)
    program.end()
    start(*command, env=environment(service, tmp_path)).finish()

    trials = check_budget(service, "killed")
    assert {(trial["worker_id"], trial["attempt"]) for trial in trials} == {("sweep", 1)}


def test_hydra_sweep_ends_when_all_jobs_fail(
    python: Path, service: Service, client: HttpClient, start: Start, tmp_path: Path
) -> None:
    options = ["hydra.sweeper.study=broken", "optimizer=broken"]
    program = start(python, TRAIN, "--multirun", *options, env=environment(service, tmp_path))
    assert program.process.wait(120) == 1
    assert "study_paused" in program.log.read_text()

    study = client.get("/studies/broken")
    assert (study["state"], study["state_reason"]) == ("PAUSED", "failing")
    assert study["trial_counts"]["RUNNING"] == 0
    reasons = {trial["reason"] for trial in client.all_trials("broken")} - {None}
    assert reasons == {"ValueError('no such optimizer')"}


def test_overrides_of_hydra_become_a_search_space(
    python: Path, service: Service, start: Start, tmp_path: Path
) -> None:
    program = Path(__file__).with_name("hydra_overrides.py")
    start(python, program, env=environment(service, tmp_path)).finish()

"""Agents that are killed, stopped and restarted: no trial is lost, doubled or left behind."""

import random
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

import tuner
from tests.clients.python.agent_process import AgentProcess, wait_for_end
from tests.support import scaled

pytestmark = pytest.mark.accept

N_AGENTS = 6
SECONDS = scaled(60, 10)
SECONDS_BETWEEN = 0.3
N_TRIALS = scaled(120, 20)
SIGNALS = [signal.SIGKILL, signal.SIGTERM]
PROGRAM = """
    (sleep 0.1; sleep 0.1) &
    step=$TUNER_STEP
    while [ $step -lt 3 ]; do
        sleep 0.1
        echo "{\\"step\\": $step, \\"value\\": $1}" >> "$TUNER_REPORTS"
        step=$((step + 1))
    done
    wait
    echo "{\\"values\\": $1}" > "$TUNER_RESULT"
"""


class Agents:
    """Agents with names that they keep when they are started again."""

    def __init__(self, folder: Path, url: str, study: str) -> None:
        self._folder, self._url, self._study = folder, url, study
        (folder / "program.sh").write_text(PROGRAM)
        self.running = [self._start(number) for number in range(N_AGENTS)]

    def _start(self, number: int) -> AgentProcess:
        folder = self._folder / f"agent-{number}"
        folder.mkdir(exist_ok=True)
        return AgentProcess(
            folder, self._study, ["sh", str(self._folder / "program.sh"), "{x}"],
            ["-j", "2", "--max-failures", "0", "--grace-seconds", "5"],
            {"TUNER_URL": self._url, "TUNER_WORKER": f"agent-{number}"},
        )  # fmt: skip

    def hit_one(self) -> None:
        """End one of them by a signal, and start it again."""
        number = random.randrange(N_AGENTS)
        agent = self.running[number]
        if agent.process.poll() is None:
            agent.signal(random.choice(SIGNALS))
            agent.wait()
        self.running[number] = self._start(number)

    def end(self) -> None:
        for agent in self.running:
            agent.end()

    def programs(self) -> list[psutil.Process]:
        """The processes of the program, of all agents that ever ran."""
        name = str(self._folder / "program.sh")
        return [
            process
            for process in psutil.process_iter(["cmdline"])
            if name in (process.info["cmdline"] or ()) and "agent" not in process.info["cmdline"]
        ]


@pytest.fixture
def study(url: str) -> Iterator[tuner.Study]:
    with tuner.Client(url, deadline=60) as client:
        study = client.create_study(
            "agent-chaos", space={"x": tuner.Float(0, 1)}, sampler="random", pruner="none",
            max_trials=N_TRIALS, lease_seconds=3, max_retries=1000,
        )  # fmt: skip
        yield study
        study.delete()


@pytest.fixture
def agents(url: str, study: tuner.Study, tmp_path: Path) -> Iterator[Agents]:
    agents = Agents(tmp_path, url, study.name)
    yield agents
    agents.end()


def test_hit_agents_evaluate_a_study_exactly(
    agents: Agents, study: tuner.Study, record_property: Callable[[str, str], None]
) -> None:
    ends_at = time.monotonic() + SECONDS
    n_hits = 0
    while time.monotonic() < ends_at:
        time.sleep(SECONDS_BETWEEN)
        agents.hit_one()
        n_hits += 1

    codes = [agent.wait() for agent in agents.running]

    logs = [agent.log for agent in agents.running]
    assert codes == [0] * N_AGENTS, logs
    assert not [log for log in logs if "Traceback" in log]
    wait_for_end(agents.programs())
    trials = study.trials()
    complete = [trial for trial in trials if trial.state == "COMPLETE"]
    assert len(complete) == N_TRIALS
    assert {trial.state for trial in trials} <= {"COMPLETE", "FAIL"}
    for trial in complete:
        assert trial.values == [trial.params["x"]]
        assert trial.intermediate_values == dict.fromkeys(range(3), trial.params["x"])
    record_property("found", f"{n_hits} hits, {len(trials)} attempts at {N_TRIALS} trials")

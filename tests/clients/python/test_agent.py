"""`tuner agent`: real processes, which succeed, fail, are stopped and killed."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

import tuner
from tests.clients.python.agent_process import (
    RESULT,
    AgentProcess,
    run_tuner,
    running_agent,
    shell,
    wait_for_end,
)
from tests.support.service import Service

WORKER = "agent-of-test"
SPACE = {
    "lr": tuner.Float(1e-5, 1e-1, log=True),
    "layers": tuner.Int(1, 8),
    "amp": tuner.Categorical([True, False]),
    "opt": tuner.Categorical(["adam w", "sgd"]),
}
Start = Callable[..., AgentProcess]
Create = Callable[..., tuner.Study]


@pytest.fixture
def create(url: str, request: pytest.FixtureRequest) -> Iterator[Create]:
    """Creates a study of this test."""
    with tuner.Client(url, deadline=30) as client:

        def make(**definition: Any) -> tuner.Study:
            defaults = {"sampler": "random", "pruner": "none", "max_retries": 1}
            return client.create_study(request.node.name, space=SPACE, **{**defaults, **definition})

        yield make


@pytest.fixture
def start(url: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Start]:
    """Starts an agent for the study of this test."""
    with ExitStack() as agents:

        def run(command: list[str], *options: str, **more: Any) -> AgentProcess:
            environment = {"TUNER_URL": url, "TUNER_WORKER": f"{WORKER}-{request.node.name}"[:100]}
            return agents.enter_context(
                running_agent(
                    tmp_path, request.node.name, command, options, environment=environment, **more
                )
            )

        yield run


# The contract -----------------------------------------------------------------------------


def test_agent_runs_a_shell_script_for_each_trial(
    create: Create, start: Start, tmp_path: Path, url: str
) -> None:
    study = create(max_trials=4, constraints=["latency"])
    script = """
        printf '%s\\n' "$@" > "arguments.$TUNER_TRIAL"
        echo "$TUNER_PARAMS" > "params.$TUNER_TRIAL"
        env | grep -E '^(TUNER_(URL|STUDY|STEP)|PYTHONUNBUFFERED)=' | sort > environment
        echo '{"step": 0, "value": 0.1}' >> "$TUNER_REPORTS"
        echo '{"step": 1, "value": null}' >> "$TUNER_REPORTS"
        touch "started.$TUNER_TRIAL"
        until [ -e started.0 -a -e started.1 -a -e started.2 -a -e started.3 ]; do sleep 0.05; done
        echo "hello from $TUNER_TRIAL"
        echo '{"values": 0.83, "user_attrs": {"host": "a"}, "constraints": {"latency": -1}}' \\
            > "$TUNER_RESULT"
    """
    command = [*shell(script), "sh", "--lr={lr}", "{amp?--amp}", "{opt}", "{layers}", "{{}}"]

    agent = start(command, "-j", "4")

    assert agent.wait() == 0, agent.log
    trials = study.trials()
    assert {trial.state for trial in trials} == {"COMPLETE"}
    names = {f"{WORKER}-{study.name}{slot}" for slot in ("", ".1", ".2", ".3")}
    assert {trial.worker_id for trial in trials} == names
    for trial in trials:
        params = trial.params
        given = (tmp_path / f"arguments.{trial.trial_id}").read_text().splitlines()
        flag = ["--amp"] if params["amp"] else []
        assert given == [
            f"--lr={params['lr']!r}", *flag, params["opt"], str(params["layers"]), "{}"
        ]  # fmt: skip
        assert json.loads((tmp_path / f"params.{trial.trial_id}").read_text()) == params
        assert trial.intermediate_values == {0: 0.1, 1: None}
        assert trial.user_attrs == {"host": "a"}
        assert trial.constraints == {"latency": -1.0}
    assert (tmp_path / "environment").read_text().splitlines() == [
        "PYTHONUNBUFFERED=1", "TUNER_STEP=0", f"TUNER_STUDY={study.name}", f"TUNER_URL={url}"
    ]  # fmt: skip
    assert sorted(agent.out.splitlines()) == [f"[{n}] hello from {n}" for n in range(4)]


def test_agent_sends_the_end_of_the_output(create: Create, start: Start) -> None:
    study = create(max_retries=0)
    script = "seq 1 20000; printf '\\033[31mout of memory\\033[0m\\n' >&2; exit 3"

    agent = start(shell(script), "--n-trials", "1")

    assert agent.wait() == 0, agent.log
    trial, log = study.trial(0), study.trial_log(0)
    assert (trial.state, (trial.reason or "").split(":")[0]) == ("FAIL", "exit code 3")
    assert log.endswith("\n19999\n20000\n\x1b[31mout of memory\x1b[0m\n")
    assert 60_000 < len(log) <= 65_536


def test_agent_says_which_repeat_it_runs(create: Create, start: Start, tmp_path: Path) -> None:
    study = create(max_trials=2, repeats={"n": 2})
    script = """
        echo "$TUNER_REPEAT_GROUP $TUNER_REPEAT_INDEX $TUNER_REPEAT_SEED" >> repeats
        echo '{"values": 1}' > "$TUNER_RESULT"
    """
    agent = start(shell(script))
    assert agent.wait() == 0, agent.log
    repeats = [trial.repeat or {} for trial in study.trials()]
    expected = [" ".join(str(each[key]) for key in ("group", "index", "seed")) for each in repeats]
    assert (tmp_path / "repeats").read_text().splitlines() == expected
    assert [each["index"] for each in repeats] == [0, 1]


def test_agent_fixes_values(create: Create, start: Start) -> None:
    study = create(max_trials=3)
    fixes = ["--fix", "layers=3", "--fix", "opt=adam w", "--fix", "amp=true", "--fix", "lr=1e-3"]
    agent = start(shell(RESULT), *fixes)
    assert agent.wait() == 0, agent.log
    fixed = {"lr": 0.001, "layers": 3, "amp": True, "opt": "adam w"}
    assert [trial.params for trial in study.trials()] == [fixed] * 3


@pytest.mark.parametrize(
    ("fix", "code", "message"),
    [
        ("layer=3", 2, "--fix layer=3: expected NAME=VALUE, with one of the names lr, layers"),
        ("layers", 2, "--fix layers: expected NAME=VALUE"),
        ("layers=9", 1, 'parameter "layers": 9 is not an integer from 1 to 8'),
        ("opt=rmsprop", 1, "expected one of 'adam w', 'sgd'"),
    ],
)
def test_agent_refuses_a_value_that_the_study_has_not(
    create: Create, start: Start, fix: str, code: int, message: str
) -> None:
    study = create()
    agent = start(shell(RESULT), "--fix", fix)
    assert agent.wait() == code
    assert message in agent.log
    assert study.trials() == []


def test_agent_tells_how_a_program_ended(create: Create, start: Start) -> None:
    study = create()
    script = """
        case "$TUNER_TRIAL" in
            0) exit 75 ;;
            1) echo done ;;
            2) head -c 20000 /dev/zero | tr '\\0' x; echo; echo the end; exit 3 ;;
            3) kill -9 $$ ;;
            4) echo '{"values": "high"}' > "$TUNER_RESULT" ;;
            5) echo '{"values": [1, 2]}' > "$TUNER_RESULT" ;;
            6) echo '{"values": NaN}' > "$TUNER_RESULT" ;;
            7) echo '{"values": 1, "user_attrs": {"loss": NaN}}' > "$TUNER_RESULT" ;;
            8) echo '{"values": 1, "epochs": 3}' > "$TUNER_RESULT" ;;
        esac
    """

    agent = start(shell(script), "--n-trials", "9", "--max-failures", "0")

    assert agent.wait() == 0, agent.log
    trials = study.trials()
    assert [trial.state for trial in trials] == ["FAIL"] * 8 + ["COMPLETE"]
    assert [trial.retried_as for trial in trials] == [1] + [None] * 8
    reasons = [trial.reason or "" for trial in trials]
    assert reasons[:2] == [
        "exit code 75",
        "the program ended without a result: it wrote none to $TUNER_RESULT\n\ndone",
    ]
    assert reasons[2].startswith("exit code 3: the end\n\nxxx")
    assert reasons[2].endswith("xxx\nthe end")
    assert len(reasons[2]) == 10_000
    assert reasons[3] == "ended by SIGKILL"
    assert reasons[4].startswith("the result that the program wrote is not understood: ")
    assert reasons[5].startswith("the result was refused: 400 invalid: ")
    assert reasons[6] == "the objective returned nan"
    assert reasons[7].startswith("the result was refused: ")
    assert "unknown keys of a result are ignored: epochs" in agent.log


def test_agent_ends_after_three_failures_in_a_row(create: Create, start: Start) -> None:
    study = create()

    agent = start(["false"])

    assert agent.wait() == 1
    assert [trial.state for trial in study.trials()] == ["FAIL"] * 3
    assert "ending, because 3 trials in a row have failed within a minute" in agent.log


def test_agent_reads_a_metric_from_the_output(create: Create, start: Start) -> None:
    study = create()
    script = """
        if [ "$TUNER_TRIAL" = 1 ]; then echo nothing; exit; fi
        echo 'epoch 1 acc=0.1'; echo 'epoch 2 acc=0.7'; echo 'epoch 3 acc=n/a'
    """

    agent = start(shell(script), "--metric", r"acc=(\S+)", "--n-trials", "2")

    assert agent.wait() == 0
    good, bad = study.trials()
    assert (good.state, good.values) == ("COMPLETE", [0.7])
    assert bad.reason == (
        r"the program ended without a result: no line of its output matches --metric acc=(\S+)"
        "\n\nnothing"
    )
    assert (
        r"line 3 of its output matches --metric acc=(\S+), but 'n/a' is not a number: "
        "'epoch 3 acc=n/a'" in agent.log
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--", "true", "{rate}"], '"{rate}" is no parameter of the study: expected one of lr, '),
        (["--", "no-such-program"], 'the command "no-such-program" is not found'),
        (["--metric", "acc", "--", "true"], "'acc' has 0 groups: expected one, around the value"),
        ([], "the command is missing: tuner agent STUDY -- COMMAND"),
        (["-j", "0", "--", "true"], "0 is too small: expected 1 or more"),
    ],
)
def test_agent_refuses_wrong_usage_before_the_first_ask(
    create: Create, url: str, capsys: Any, arguments: list[str], message: str
) -> None:
    study = create()

    assert run_tuner("--url", url, "agent", study.name, *arguments) == 2

    assert message in capsys.readouterr().err
    assert study.refresh().n_trials == 0


# Stopped by the service -------------------------------------------------------------------

STUBBORN = """
import json, os, signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: open("terminated", "w"))
open("pid", "w").write(str(os.getpid()))
with open(os.environ["TUNER_REPORTS"], "a") as reports:
    reports.write(json.dumps({"step": 0, "value": 9}) + "\\n")
while True:
    time.sleep(0.1)
"""


def test_pruned_program_is_terminated_then_killed(
    create: Create, start: Start, tmp_path: Path
) -> None:
    pruner = {"n_startup_trials": 1, "n_warmup_steps": 0}
    study = create(direction="minimize", pruner="median", pruner_options=pruner)
    (tmp_path / "stubborn.py").write_text(STUBBORN)
    params = {"lr": 1e-3, "layers": 1, "amp": True, "opt": "sgd"}
    study.add(params, values=1, intermediate_values={0: 1})

    agent = start([sys.executable, "stubborn.py"], "--grace-seconds", "0.3", "--n-trials", "1")
    processes = agent.wait_for("pid")

    assert agent.wait() == 0, agent.log
    wait_for_end(processes)
    assert (tmp_path / "terminated").exists()
    (trial,) = study.trials(state="PRUNED")
    assert trial.values == [9.0]


def test_silent_program_is_stopped_when_the_study_is_cancelled(
    create: Create, start: Start
) -> None:
    study = create(lease_seconds=1)

    agent = start(shell("echo $$ > pid; sleep 60"))
    processes = agent.wait_for("pid")
    study.cancel("enough")

    assert agent.wait() == 0, agent.log
    wait_for_end(processes)
    (trial,) = study.trials()
    assert (trial.state, trial.reason) == ("PRUNED", "the study was cancelled: enough")


def test_agent_goes_on_when_a_trial_was_lost(create: Create, start: Start) -> None:
    study = create(lease_seconds=1, max_retries=0)
    script = f'if [ "$TUNER_TRIAL" = 0 ]; then echo $$ > pid; sleep 60; fi; {RESULT}'

    agent = start(shell(script), "--n-trials", "2")
    processes = agent.wait_for("pid")
    study.fail_running(silent_for_seconds=0)

    assert agent.wait() == 0, agent.log
    wait_for_end(processes)
    assert [trial.state for trial in study.trials()] == ["FAIL", "COMPLETE"]


# Signals and kills ------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_is_passed_on_and_trials_are_given_back(
    create: Create, start: Start, number: signal.Signals, tmp_path: Path
) -> None:
    study = create(lease_seconds=60)
    name = number.name.removeprefix("SIG")
    script = f"""
        end() {{
            echo {name} >> "signal.$TUNER_TRIAL"
            [ "$TUNER_TRIAL" = 0 ] || {RESULT}
            exit 0
        }}
        trap end {name}
        echo $$ > "pid.$TUNER_TRIAL"
        while true; do sleep 0.1 || true; done
    """

    agent = start(shell(script), "-j", "2")
    processes = agent.wait_for("pid.0", "pid.1")
    agent.signal(number)

    assert agent.wait() == 128 + number, agent.log
    wait_for_end(processes)
    assert [(tmp_path / f"signal.{n}").read_text() for n in (0, 1)] == [f"{name}\n"] * 2
    given_back, completed, retry = study.trials()
    assert (given_back.state, given_back.retried_as) == ("FAIL", 2)
    assert (given_back.reason or "").startswith(f"given back: the agent received {number.name}; ")
    assert completed.state == "COMPLETE"
    assert retry.state == "WAITING"  # and not taken by the agent itself


def test_killed_agent_leaves_no_process_and_is_resumed(
    create: Create, start: Start, tmp_path: Path, service: Service
) -> None:
    study = create(lease_seconds=60, max_trials=1)
    script = f"""
        echo "$TUNER_STEP" >> steps
        if [ "$TUNER_STEP" = 0 ]; then
            sleep 60 &
            echo '{{"step": 0, "value": 1}}' >> "$TUNER_REPORTS"
            printf '{{"step": 1, ' >> "$TUNER_REPORTS"
            echo "$$ $!" > pids
            wait
        fi
        {RESULT}
    """
    first = start(shell(script))
    processes = first.wait_for("pids")
    first.wait_until(lambda: study.trial(0).intermediate_values == {0: 1.0}, "reported")

    first.signal(signal.SIGKILL)
    first.wait()
    wait_for_end(processes)
    second = start(shell(script))

    assert second.wait() == 0, second.log
    assert (tmp_path / "steps").read_text().split() == ["0", "1"]
    (trial,) = study.trials()
    assert (trial.state, trial.attempt, trial.reoffers) == ("COMPLETE", 1, 1)
    assert "trial 0: started again, from step 1" in second.log


def test_program_does_not_outlive_its_launcher(create: Create, start: Start) -> None:
    study = create()

    agent = start(shell("sleep 60 & echo $$ $! > pids; wait"), "--n-trials", "1")
    shell_process, sleeping = agent.wait_for("pids")
    launcher = shell_process.parent()
    assert launcher is not None
    launcher.kill()

    assert agent.wait() == 0, agent.log
    wait_for_end([shell_process, sleeping])
    assert [trial.reason for trial in study.trials()] == ["ended by SIGKILL"]


def test_what_a_program_leaves_running_ends_with_it(create: Create, start: Start) -> None:
    study = create(max_trials=1)

    agent = start(shell(f"sleep 60 & echo $! > pid; {RESULT}"))

    assert agent.wait() == 0, agent.log
    wait_for_end(agent.processes_of("pid"))
    assert [trial.state for trial in study.trials()] == ["COMPLETE"]


@pytest.mark.accept
def test_agent_lives_though_its_output_is_not_read(create: Create, start: Start) -> None:
    study = create(lease_seconds=1)

    agent = start(shell("echo $$ > pid; yes"), stdout=subprocess.PIPE)
    processes = agent.wait_for("pid")
    began = study.trial(0).lease_expires_at
    agent.wait_until(lambda: study.trial(0).lease_expires_at != began, "kept alive")
    agent.signal(signal.SIGTERM)

    assert agent.wait() == 128 + signal.SIGTERM
    wait_for_end(processes)
    assert [trial.state for trial in study.trials()] == ["FAIL", "WAITING"]

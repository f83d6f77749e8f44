"""SIGTERM and Ctrl-C at any moment leave no trial behind, and throw no result away."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

import tuner
from tests.clients.python.faulty_server import Answer, faulty_server
from tests.clients.python.test_heartbeat import COMPLETE, OFFER, STUDY
from tests.support.service import wait_until

LOOP = """
import signal, sys, time, tuner
signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in the background of a shell
study = tuner.Client(deadline=30).get_study(sys.argv[1])
print("ready", flush=True)
"""
WAYS = {
    "loop": """
for trial in study.loop():
    with trial:
        time.sleep(0.01)
        trial.complete(1)
""",
    "optimize": "study.optimize(lambda trial: time.sleep(0.01) or 1.0)",
    "threads": "study.optimize(lambda trial: time.sleep(0.01) or 1.0, n_jobs=4)",
    "asyncio": """
import asyncio
async def main():
    async with tuner.AsyncClient(deadline=30) as client:
        study = await client.get_study(sys.argv[1])
        async def objective(trial):
            await asyncio.sleep(0.01)
            return 1.0
        await study.optimize(objective, n_jobs=4)
asyncio.run(main())
""",
}


@contextmanager
def running(program: str, url: str, study: str) -> Iterator["subprocess.Popen[bytes]"]:
    environment = {**os.environ, "TUNER_URL": url, "PYTHONPATH": "clients/python/src"}
    process = subprocess.Popen(
        [sys.executable, "-c", program, study], env=environment, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        process.stdout.readline()
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("way", WAYS)
def test_interrupted_worker_leaves_nothing_running(
    remote: tuner.Study, url: str, way: str, number: signal.Signals
) -> None:
    """Of trials this short, most interruptions meet an ask or a tell."""
    n = remote.info.n_trials
    with running(LOOP + WAYS[way], url, remote.name) as process:
        wait_until(lambda: remote.refresh().n_trials > n + 3, "started")
        process.send_signal(number)
        assert process.wait(30) != 0
    assert remote.progress().trial_counts["RUNNING"] == 0


@pytest.fixture
def _interruptible() -> Iterator[None]:
    """Let SIGINT raise KeyboardInterrupt, also where a shell runs the tests in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("_interruptible")
def test_result_that_is_being_told_is_not_thrown_away() -> None:
    """The first answer to the result is an outage; the interruption comes before the second."""
    away = Answer(503, {"code": "storage_unavailable", "detail": "d"}, {"Retry-After": "20"})
    with faulty_server(Answer(200, STUDY), Answer(200, OFFER), away, COMPLETE) as server:
        with tuner.Client(server.url) as client:
            trial = client.get_study("s").ask()
            main = threading.get_ident()
            interrupt = threading.Timer(0.5, signal.pthread_kill, args=[main, signal.SIGINT])
            interrupt.start()
            with pytest.raises(KeyboardInterrupt), trial:
                trial.complete(0.5)
        actions = [path.rsplit("/", 1)[1] for _, path in server.requests]
    assert actions == ["s", "suggest", "complete", "complete"]
    assert trial.result is not None
    assert trial.result.state == "COMPLETE"


def test_block_that_ends_leaves_the_signal_to_the_others(study: tuner.Study) -> None:
    first, second = study.ask(), study.ask()
    with pytest.raises(SystemExit), second:
        with first:
            first.complete(1)
        signal.raise_signal(signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    assert [trial.state for trial in study.trials()] == ["COMPLETE", "FAIL"]


def test_forked_child_ends_neither_the_trial_nor_by_another_exit_code(
    remote: tuner.Study, url: str
) -> None:
    program = (
        LOOP
        + """
import os
with study.ask() as trial:
    child = os.fork()
    if child == 0:
        sys.exit(0)
    os.waitpid(child, 0)
    trial.complete(0.5)
"""
    )
    with running(program, url, remote.name) as process:
        assert process.wait(30) == 0
    assert [trial.state for trial in remote.trials()] == ["COMPLETE"]


def ended_soon(call: Callable[[], object]) -> bool:
    began = time.monotonic()
    call()
    return time.monotonic() - began < 20


def test_stop_ends_a_loop_that_waits(client: tuner.Client) -> None:
    study = client.create_study("demo", space={"x": tuner.Float(0, 1)}, max_concurrent=1)
    study.ask()
    threading.Timer(0.5, study.stop).start()
    assert ended_soon(lambda: list(study.loop()))


def test_time_of_a_loop_cuts_no_ask_short(study: tuner.Study) -> None:
    for _ in range(5):
        study.optimize(lambda trial: float(trial.suggest_float("x", -1, 1)), timeout=0.05)
    assert study.progress().trial_counts["RUNNING"] == 0

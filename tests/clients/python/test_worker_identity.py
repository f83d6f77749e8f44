"""Who a worker is: unique for each slot, stable over restarts."""

import multiprocessing
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import tuner
from tuner._worker.identity import find_identity
from tuner._worker.slots import take_slot

SCHEDULERS = ["SLURM_JOB_ID", "JOB_COMPLETION_INDEX", "TUNER_WORKER"]
HOLD = """
import sys
from tuner._worker.slots import take_slot
print(take_slot("w", "study").worker_id, flush=True)
sys.stdin.read()
"""
Take = Callable[[], tuple[subprocess.Popen[str], str]]


@pytest.fixture(autouse=True)
def _no_scheduler(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in SCHEDULERS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))


@pytest.fixture
def process_with_slot(tmp_path: Path) -> Iterator[Take]:
    """Starts a process that takes a slot and keeps it; returns it with its worker id."""
    processes: list[subprocess.Popen[str]] = []
    environment = {**os.environ, "PYTHONPATH": "clients/python/src", "TMPDIR": str(tmp_path)}

    def start() -> tuple[subprocess.Popen[str], str]:
        process = subprocess.Popen(
            [sys.executable, "-c", HOLD], env=environment, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        processes.append(process)
        assert process.stdout is not None
        return process, process.stdout.readline().strip()

    yield start
    for process in processes:
        process.kill()
        process.communicate()


@pytest.mark.parametrize(
    ("variables", "name"),
    [
        ({"SLURM_JOB_ID": "7", "SLURM_PROCID": "2"}, "slurm-7-2"),
        ({"SLURM_JOB_ID": "7", "SLURM_CLUSTER_NAME": "c"}, "c-7-0"),
        ({"SLURM_JOB_ID": "9", "SLURM_ARRAY_JOB_ID": "7", "SLURM_ARRAY_TASK_ID": "3",
          "SLURM_PROCID": "0"}, "slurm-7_3-0"),
        ({"JOB_COMPLETION_INDEX": "4", "HOSTNAME": "train-4"}, "train-4"),
        ({"JOB_COMPLETION_INDEX": "4", "HOSTNAME": "train-4-x2f9k"}, "train-4"),
        ({"TUNER_WORKER": "gpu-1", "SLURM_JOB_ID": "7"}, "gpu-1"),
    ],
)  # fmt: skip
def test_name_comes_from_the_scheduler(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], name: str
) -> None:
    for variable, value in variables.items():
        monkeypatch.setenv(variable, value)
    assert find_identity() == name
    assert find_identity("argument") == "argument"
    assert tuner.Client("http://a.example").worker_id == name


def test_name_without_a_scheduler_is_random_for_the_process() -> None:
    assert find_identity() == find_identity()
    assert re.fullmatch(rf".+-{os.getpid()}-[0-9a-f]{{8}}", find_identity())


def test_long_name_is_shortened_and_stays_distinct() -> None:
    names = {find_identity("n" * 300 + end) for end in "ab"}
    assert [len(name) for name in names] == [120, 120]


def test_slots_are_the_lowest_free_ones() -> None:
    slots = [take_slot("w", "study") for _ in range(3)]
    assert [slot.worker_id for slot in slots] == ["w", "w.1", "w.2"]
    assert take_slot("other", "study").worker_id == "other"
    assert take_slot("w", "another study").worker_id == "w"
    slots[1].release()
    slots[1].release()
    assert take_slot("w", "study").worker_id == "w.1"
    assert take_slot("w", "study").worker_id == "w.3"


def test_threads_get_different_slots() -> None:
    together = threading.Barrier(8)

    def take(_: int) -> str:
        together.wait()
        return take_slot("w", "study").worker_id

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(take, range(8))) == {"w", *(f"w.{n}" for n in range(1, 8))}


def test_processes_of_one_name_get_different_slots(process_with_slot: Take) -> None:
    assert [process_with_slot()[1] for _ in range(3)] == ["w", "w.1", "w.2"]
    assert take_slot("w", "study").worker_id == "w.3"


def test_slot_of_a_killed_process_is_found_by_the_next_one(process_with_slot: Take) -> None:
    (first, name), _ = process_with_slot(), process_with_slot()
    assert name == "w"
    first.send_signal(signal.SIGKILL)
    first.wait()
    assert process_with_slot()[1] == "w"


def test_forked_child_has_slots_and_a_name_of_its_own() -> None:
    mine = take_slot("w", "study")
    name = find_identity()

    def child(found: "multiprocessing.SimpleQueue[tuple[str, str]]") -> None:
        mine.release()  # does nothing here
        found.put((take_slot("w", "study").worker_id, find_identity()))

    context = multiprocessing.get_context("fork")
    found: multiprocessing.SimpleQueue[tuple[str, str]] = context.SimpleQueue()
    process = context.Process(target=child, args=[found])
    process.start()
    slot, other = found.get()
    process.join()
    assert slot == "w.1"
    assert other != name
    assert take_slot("w", "study").worker_id == "w.1"  # the child has ended, and the lock is ours

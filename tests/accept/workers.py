"""The workers of a study: eight processes that ask, evaluate and tell over HTTP.

They import this module and neither Django nor Optuna.
"""

import math
import multiprocessing
import random
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.synchronize import Barrier, Event
from typing import Any

from urllib3.exceptions import HTTPError

from tests.service import Answer, Client, trials_of

N_WORKERS = 8
SPACE = [
    {"type": "float", "name": "x", "low": -5.0, "high": 5.0},
    {"type": "float", "name": "rate", "low": 1e-5, "high": 1.0, "log": True},
    {"type": "float", "name": "share", "low": 0.0, "high": 1.0, "step": 0.1},
    {"type": "int", "name": "depth", "low": 1, "high": 12},
    {"type": "int", "name": "width", "low": 16, "high": 1024, "log": True},
    {"type": "int", "name": "batch", "low": 16, "high": 128, "step": 16},
    {"type": "categorical", "name": "kind", "choices": ["adam", 2, 0.5, True]},
    {"type": "float", "name": "fixed", "low": 3.0, "high": 3.0},
]

_gate: Barrier
_stop: Event


class Workers:
    """A pool of processes, each of which takes one task at a time with the others."""

    def __init__(self, n_workers: int = N_WORKERS) -> None:
        context = multiprocessing.get_context("spawn")
        self._n_workers = n_workers
        self._gate = context.Barrier(n_workers)
        self._stop = context.Event()
        self._pool = ProcessPoolExecutor(
            n_workers, context, initializer=_join, initargs=(self._gate, self._stop)
        )

    def start(self, task: Callable[..., Any], *arguments: Any) -> list[Future[Any]]:
        """Let each worker run `task(*arguments)`, all at once."""
        self._stop.clear()
        return [self._pool.submit(_at_once, task, arguments) for _ in range(self._n_workers)]

    def finish(self, tasks: list[Future[Any]], seconds: float | None = None) -> list[Any]:
        """Ask for the end of tasks that run `until_stopped`, and give what they returned."""
        self._stop.set()
        return [task.result(seconds) for task in tasks]

    def close(self) -> None:
        self._stop.set()
        self._pool.shutdown()


@contextmanager
def running_workers(n_workers: int = N_WORKERS) -> Iterator[Workers]:
    workers = Workers(n_workers)
    try:
        yield workers
    finally:
        workers.close()


def _join(gate: Barrier, stop: Event) -> None:
    global _gate, _stop  # a process of the pool has no other place
    _gate, _stop = gate, stop


def _at_once(task: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
    _gate.wait(120)  # so that each process has exactly one
    return task(*arguments)


def evaluate(params: dict[str, Any], n_objectives: int) -> list[float]:
    """Rounded, so that some trials are equally good."""
    loss = params["x"] ** 2 + abs(math.log10(params["rate"]) + 3) + params["depth"] / 4
    gain = params["width"] / 64 + params["share"] * 5 + (params["kind"] == "adam")
    return [round(loss, 1), round(gain, 1)][:n_objectives]


@dataclass
class Played:
    """A trial as its worker saw it."""

    number: int
    params: dict[str, Any]
    state: str
    values: list[float] | None
    steps: dict[str, float] = field(default_factory=dict)


def play(port: int, study: str, n_objectives: int, n_trials: int) -> list[Played]:
    """Play trials to their end. Any error answer ends it."""
    rng = random.Random()
    with Client(port) as client:
        return [_play_one(client, study, n_objectives, rng) for _ in range(n_trials)]


def _play_one(client: Client, study: str, n_objectives: int, rng: random.Random) -> Played:
    suggestion = client.suggest(study)
    number, params = suggestion["trial_id"], suggestion["params"]
    if rng.random() < 0.15:
        client.prune(study, number)
        return Played(number, params, "PRUNED", None)
    values = evaluate(params, n_objectives)
    played = Played(number, params, "COMPLETE", values)
    if rng.random() < 0.4:
        played.steps = {str(step): values[0] + 1 / (step + 1) for step in range(5)}
    outcome = {"intermediate_values": played.steps} if played.steps else {}
    client.complete(study, number, values=values, **outcome)
    return played


@dataclass
class Failure:
    """A request that was not acknowledged: a broken connection, a 502 or a 503."""

    began: float
    ended: float
    text: str
    status: int = 0  # 0: a broken connection


@dataclass
class Seen:
    """What a worker saw while things were killed: what was acknowledged, and what failed."""

    suggested: list[tuple[str, int, dict[str, Any]]] = field(default_factory=list)
    completed: list[tuple[str, int, float]] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)  # inexcusable


def play_until_stopped(port: int, studies: list[str]) -> Seen:
    """Play trials of several studies while things are killed.

    A broken connection, a 502 and a 503 acknowledge nothing; after one, a suggestion is given
    up, and a completion is told again.
    """
    rng = random.Random()
    seen = Seen()
    with Client(port) as client:
        while not _stop.is_set():
            study = rng.choice(studies)
            suggestion = _attempt(client, seen, f"{trials_of(study)}/suggest")
            if suggestion is None:
                time.sleep(0.1)
                continue
            number, params = suggestion["trial_id"], suggestion["params"]
            seen.suggested.append((study, number, params))
            _stop.wait(rng.uniform(0.05, 0.4))
            value = evaluate(params, 1)[0]
            if _tell(client, seen, f"{trials_of(study)}/{number}/complete", value):
                seen.completed.append((study, number, value))
    return seen


def _tell(client: Client, seen: Seen, path: str, value: float) -> bool:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        faults = len(seen.faults)
        if _attempt(client, seen, path, {"values": value}) is not None:
            return True
        if len(seen.faults) > faults:
            return False
        time.sleep(0.1)
    seen.faults.append(f"{path}: not acknowledged in 120 s")
    return False


def _attempt(client: Client, seen: Seen, path: str, body: Any = None) -> Any:
    """The answer's body, or None where nothing was acknowledged."""
    began = time.monotonic()
    try:
        answer = client.call("POST", path, body)
    except HTTPError as error:
        answer = Answer(0, repr(error))
    if answer.status == 200:
        return answer.body
    text = f"{path}: {answer.status} {answer.body!s:.300}"
    if answer.status in (0, 502, 503):
        seen.failures.append(Failure(began, time.monotonic(), text, answer.status))
    else:
        seen.faults.append(text)
    return None

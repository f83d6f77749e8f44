"""Processes that send requests at the same time, and workers that play whole studies.

The processes import this module, which needs neither Django nor Optuna.
"""

import math
import multiprocessing
import random
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.synchronize import Barrier, Event
from typing import Any

from urllib3.exceptions import HTTPError

from tests.support.http_client import Answer, HttpClient, trials_path

N_WORKERS = 8
SECONDS_TO_MEET = 120
GRACE = 3  # seconds after the recovery in which a request may still fail
WORKER_SPACE = [
    {"type": "float", "name": "x", "low": -5.0, "high": 5.0},
    {"type": "float", "name": "rate", "low": 1e-5, "high": 1.0, "log": True},
    {"type": "float", "name": "share", "low": 0.0, "high": 1.0, "step": 0.1},
    {"type": "int", "name": "depth", "low": 1, "high": 12},
    {"type": "int", "name": "width", "low": 16, "high": 1024, "log": True},
    {"type": "int", "name": "batch", "low": 16, "high": 128, "step": 16},
    {"type": "categorical", "name": "kind", "choices": ["adam", 2, 0.5, True]},
    {"type": "float", "name": "fixed", "low": 3.0, "high": 3.0},
]

Request = tuple[str, str, Any]  # method, path and body

_gate: Barrier
_stop: Event


class WorkerPool:
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
        return self.start_each(task, [arguments] * self._n_workers)

    def start_each(
        self, task: Callable[..., Any], arguments: Sequence[tuple[Any, ...]]
    ) -> list[Future[Any]]:
        """Let each worker run the task with arguments of its own, all at once."""
        assert len(arguments) == self._n_workers
        self._stop.clear()
        return [self._pool.submit(_at_once, task, each) for each in arguments]

    def finish(self, tasks: list[Future[Any]], seconds: float | None = None) -> list[Any]:
        """Let tasks that run `until_stopped` end, and return their results."""
        self._stop.set()
        return [task.result(seconds) for task in tasks]

    def close(self) -> None:
        self._stop.set()
        self._pool.shutdown()


@contextmanager
def worker_pool(n_workers: int = N_WORKERS) -> Iterator[WorkerPool]:
    workers = WorkerPool(n_workers)
    try:
        yield workers
    finally:
        workers.close()


def _join(gate: Barrier, stop: Event) -> None:
    global _gate, _stop  # a process of the pool has no other place
    _gate, _stop = gate, stop


def _at_once(task: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
    _gate.wait(SECONDS_TO_MEET)  # so that each process has exactly one
    return task(*arguments)


# Requests at the same moment -------------------------------------------------------------


def send_at_once(
    pool: WorkerPool, port: int, requests: Sequence[Request], spread: float = 0
) -> list[Answer]:
    """Send each request by a process of its own, and return the answers in the same order.

    All are sent at once, or within `spread` seconds, so that slower requests may come first.
    """
    each = [(port, request, random.uniform(0, spread)) for request in requests]
    return [task.result(SECONDS_TO_MEET) for task in pool.start_each(_send, each)]


def _send(port: int, request: Request, delay: float) -> Answer:
    with HttpClient(port) as client:
        client.get("/health")  # connected before the start
        _gate.wait(SECONDS_TO_MEET)
        time.sleep(delay)
        return client.call(*request)


def one_for_each_worker(*requests: Request) -> list[Request]:
    """These requests in turn, one for each worker."""
    return [requests[worker % len(requests)] for worker in range(N_WORKERS)]


def suggest_request(study: str, **body: Any) -> Request:
    return "POST", f"{trials_path(study)}/suggest", body


def trial_request(study: str, number: int, action: str, **body: Any) -> Request:
    return "POST", f"{trials_path(study)}/{number}/{action}", body


def count_statuses(answers: Sequence[Answer]) -> dict[int, int]:
    return dict(Counter(answer.status for answer in answers))


def count_codes(answers: Sequence[Answer]) -> dict[str, int]:
    """How often each problem was answered."""
    return dict(Counter(answer.body["code"] for answer in answers if answer.status >= 400))


def bodies_of_status(answers: Sequence[Answer], status: int) -> list[Any]:
    return [answer.body for answer in answers if answer.status == status]


# Whole studies ---------------------------------------------------------------------------


def evaluate(params: dict[str, Any], n_objectives: int) -> list[float]:
    """Rounded, so that some trials are equally good."""
    loss = params["x"] ** 2 + abs(math.log10(params["rate"]) + 3) + params["depth"] / 4
    gain = params["width"] / 64 + params["share"] * 5 + (params["kind"] == "adam")
    return [round(loss, 1), round(gain, 1)][:n_objectives]


@dataclass
class PlayedTrial:
    """A trial as its worker saw it."""

    number: int
    params: dict[str, Any]
    state: str
    values: list[float] | None
    steps: dict[str, float] = field(default_factory=dict)


def play_trials(port: int, study: str, n_objectives: int, n_trials: int) -> list[PlayedTrial]:
    """Play trials to their end. Any error answer raises."""
    rng = random.Random()
    with HttpClient(port) as client:
        return [_play_one(client, study, n_objectives, rng) for _ in range(n_trials)]


def _play_one(client: HttpClient, study: str, n_objectives: int, rng: random.Random) -> PlayedTrial:
    suggestion = client.suggest(study)
    number, params = suggestion["trial_id"], suggestion["params"]
    if rng.random() < 0.15:
        client.prune(study, number)
        return PlayedTrial(number, params, "PRUNED", None)
    values = evaluate(params, n_objectives)
    played = PlayedTrial(number, params, "COMPLETE", values)
    if rng.random() < 0.4:
        played.steps = {str(step): values[0] + 1 / (step + 1) for step in range(5)}
    outcome = {"intermediate_values": played.steps} if played.steps else {}
    client.complete(study, number, values=values, **outcome)
    return played


@dataclass
class FailedRequest:
    """A request that was not acknowledged: a broken connection, a 502 or a 503."""

    began: float
    ended: float
    text: str
    status: int = 0  # 0: a broken connection


@dataclass
class WorkerRecord:
    """What was acknowledged to a worker while processes were killed, and what failed."""

    suggested: list[tuple[str, int, dict[str, Any]]] = field(default_factory=list)
    completed: list[tuple[str, int, float]] = field(default_factory=list)
    failures: list[FailedRequest] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)  # never excused


def play_until_stopped(port: int, studies: list[str]) -> WorkerRecord:
    """Play trials of several studies while processes are killed.

    A broken connection, a 502 and a 503 acknowledge nothing; after one, a suggestion is given
    up, and a completion is told again.
    """
    rng = random.Random()
    seen = WorkerRecord()
    with HttpClient(port) as client:
        while not _stop.is_set():
            study = rng.choice(studies)
            suggestion = _attempt(client, seen, f"{trials_path(study)}/suggest")
            if suggestion is None:
                time.sleep(0.1)
                continue
            number, params = suggestion["trial_id"], suggestion["params"]
            seen.suggested.append((study, number, params))
            _stop.wait(rng.uniform(0.05, 0.4))
            value = evaluate(params, 1)[0]
            if _tell(client, seen, f"{trials_path(study)}/{number}/complete", value):
                seen.completed.append((study, number, value))
    return seen


def _tell(client: HttpClient, seen: WorkerRecord, path: str, value: float) -> bool:
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


def _attempt(client: HttpClient, seen: WorkerRecord, path: str, body: Any = None) -> Any:
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
        seen.failures.append(FailedRequest(began, time.monotonic(), text, answer.status))
    else:
        seen.faults.append(text)
    return None


class Ledger:
    """What was acknowledged to all workers over all rounds, compared with what is stored."""

    def __init__(self, studies: Iterable[str]) -> None:
        self._studies = list(studies)
        self.suggested: dict[tuple[str, int], str] = {}
        self.completed: dict[tuple[str, int], float] = {}
        self.excused = 0
        self.longest_wait = 0.0  # seconds until such a failure was answered

    def add_record(self, seen: WorkerRecord, *down: tuple[float, float]) -> None:
        """Add the record of one worker; `down` are the spans in which something was down."""
        assert seen.faults == []
        late = [
            f"{failure.began - max(ended for _, ended in down):+.1f} s from the last recovery: "
            f"{failure.text}"
            for failure in seen.failures
            if "'code': 'study_busy'" not in failure.text  # which a loaded machine may cause
            and not any(
                began <= failure.ended and failure.began <= ended + GRACE for began, ended in down
            )
        ]
        assert late == [], "failed while nothing was down"
        self.excused += len(seen.failures)
        waits = [failure.ended - failure.began for failure in seen.failures]
        self.longest_wait = max([self.longest_wait, *waits])
        for study, number, params in seen.suggested:
            assert (study, number) not in self.suggested, f"trial {number} was handed out twice"
            self.suggested[study, number] = repr(params)
        for study, number, value in seen.completed:
            self.completed[study, number] = value

    def check(self, client: HttpClient) -> int:
        """Compare with what the service stores now; returns the number of trials."""
        stored = {
            (study, trial["trial_id"]): trial
            for study in self._studies
            for trial in _checked_trials(client, study)
        }
        for key, params in self.suggested.items():
            assert repr(stored[key]["params"]) == params
        for key, value in self.completed.items():
            assert (stored[key]["state"], stored[key]["values"]) == ("COMPLETE", [value])
        return len(stored)


def _checked_trials(client: HttpClient, study: str) -> list[Any]:
    """The trials of a study; their numbers have no gap, and the study counts them right."""
    trials = client.all_trials(study)
    assert [trial["trial_id"] for trial in trials] == list(range(len(trials)))
    summary = client.get(f"/studies/{study}".replace(" ", "%20"))
    assert summary["n_trials"] == len(trials)
    counted = Counter(trial["state"] for trial in trials)
    assert {state: n for state, n in summary["trial_counts"].items() if n} == dict(counted)
    return trials

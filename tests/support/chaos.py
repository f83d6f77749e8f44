"""Workers that can be killed, suspended, or made to repeat a request, at any moment.

Each writes acknowledged answers to a log of its own before it continues, and imports neither
Django nor Optuna.
"""

import json
import multiprocessing
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from urllib3.exceptions import HTTPError

from tests.support.http_client import Answer, HttpClient, trials_path
from tests.support.workers import evaluate

N_WORKERS = 16
N_STEPS = 4
SECONDS_OF_A_STEP = (0.15, 0.5)
SECONDS_TO_ACKNOWLEDGE = 120
GAVE_UP = "gave up"
ENDINGS = {"complete": "COMPLETE", "prune": "PRUNED", "fail": "FAIL"}


class EventLog:
    """The events of one process of a worker, in lines that outlive it."""

    def __init__(self, folder: Path, worker_id: str) -> None:
        self._worker_id = worker_id
        file = folder / f"{worker_id}-{os.getpid()}.jsonl"
        self._file = file.open("a", buffering=1)  # written out at the end of each line

    def write(self, what: str, **about: Any) -> None:
        line = {"what": what, "worker_id": self._worker_id, "pid": os.getpid(), "at": time.time()}
        self._file.write(json.dumps(line | about) + "\n")


def read_event_logs(folder: Path) -> list[dict[str, Any]]:
    """The lines of all processes, oldest first; one that was killed may have left half a line."""
    lines = [
        json.loads(line)
        for file in folder.glob("*.jsonl")
        for line in file.read_text().splitlines(keepends=True)
        if line.endswith("\n")
    ]
    return sorted(lines, key=lambda line: float(line["at"]))


class Worker:
    """Plays trials of several studies until all of them are completed.

    A request that was not acknowledged is repeated, and so is the last request at a SIGUSR1: then
    the later answer counts.
    """

    def __init__(self, port: int, studies: Sequence[str], worker_id: str, folder: Path) -> None:
        self._is_to_repeat = False
        signal.signal(signal.SIGUSR1, self._repeat)
        self._rng = random.Random()
        self._client = HttpClient(port)
        self._studies = list(studies)
        self._worker_id = worker_id
        self._events = EventLog(folder, worker_id)

    def _repeat(self, *args: object) -> None:
        self._is_to_repeat = True

    def work(self) -> None:
        while self._studies:
            study = self._rng.choice(self._studies)
            body = {"worker_id": self._worker_id}
            answer = self._request(f"{trials_path(study)}/suggest", body)
            code = answer.body.get("code")
            if answer.status == 200:
                self._play(study, answer.body)
            elif (answer.status, code) == (409, "study_completed"):
                self._studies.remove(study)
            elif (answer.status, code) in (
                (429, "budget_in_flight"), (429, "too_many_running")
            ) and answer.retry_after > 0:  # fmt: skip
                self._events.write("busy", code=code)
                time.sleep(answer.retry_after)
            else:
                self._events.write("fault", text=f"suggest: {answer!s:.500}")
        self._events.write("ended")

    def _play(self, study: str, offer: Any) -> None:
        number, params = offer["trial_id"], offer["params"]
        self._events.write(
            "given", study=study, number=number, params=params, reoffered=offer["reoffered"]
        )
        loss = evaluate(params, 1)[0]
        for step in range(N_STEPS):
            time.sleep(self._rng.uniform(*SECONDS_OF_A_STEP))
            if self._rng.random() < 0.3:
                verdict = self._post(study, number, "heartbeat", {})
            else:  # the same values again where another process has reported them already
                body = {"step": step, "value": loss + 1 / (1 + step)}
                verdict = self._post(study, number, "report", body)
            if verdict is None:
                return
            if verdict.get("should_prune"):
                self._post(study, number, "prune", {})
                return
        if self._rng.random() < 0.1:
            self._post(study, number, "fail", {"reason": GAVE_UP, "retry": True})
        else:  # a value that no other process tells
            self._post(study, number, "complete", {"values": loss + self._rng.random() / 1000})

    def _post(self, study: str, number: int, action: str, body: dict[str, Any]) -> Any:
        """The acknowledged answer; None where the trial is not this worker's any more."""
        about = {"study": study, "number": number, "action": action, "body": body}
        if action in ENDINGS:
            self._events.write("telling", **about)
        path = f"{trials_path(study)}/{number}/{action}"
        answer = self._request(path, body, about if action in ENDINGS else None)
        if answer.status == 200:
            return answer.body
        code = answer.body.get("code")
        if (answer.status, code) in ((409, "lease_lost"), (409, "trial_finished")):
            retry = answer.body.get("retry_trial_id")
            self._events.write("refused", **about, code=code, retry=retry)
        else:
            self._events.write("fault", text=f"{path} {body}: {answer!s:.500}")
        return None

    def _request(
        self, path: str, body: dict[str, Any], about: dict[str, Any] | None = None
    ) -> Answer:
        """The answer. `about` is set for an ending, whose answer does not change when repeated."""
        answer = self._until_answered(path, body)
        if about is not None and answer.status == 200:
            self._events.write("told", **about)
        time.sleep(self._rng.uniform(0.01, 0.1))
        while self._is_to_repeat:
            self._is_to_repeat = False
            again = self._until_answered(path, body)
            self._events.write("repeated", path=path, status=again.status)
            if about is not None and again != answer:
                text = f"{path} {body}: first {answer!s:.500}, then {again!s:.500}"
                self._events.write("fault", text=text)
            answer = again
        return answer

    def _until_answered(self, path: str, body: dict[str, Any]) -> Answer:
        """Repeat after a broken connection, a 502 or a 503, which acknowledge nothing."""
        deadline = time.monotonic() + SECONDS_TO_ACKNOWLEDGE
        while True:
            try:
                answer = self._client.call("POST", path, body)
            except HTTPError as error:
                answer = Answer(503, {"code": repr(error)})
            if answer.status not in (502, 503):
                return answer
            self._events.write("failed", text=f"{path}: {answer!s:.300}")
            if time.monotonic() > deadline:
                raise TimeoutError(f"{path}: not acknowledged")
            time.sleep(0.1)


def run(port: int, studies: Sequence[str], worker_id: str, folder: Path) -> None:
    Worker(port, studies, worker_id, folder).work()


@dataclass
class WorkerProcess:
    """The process of a worker, and until when it is stopped."""

    worker_id: str
    process: multiprocessing.process.BaseProcess
    stopped_until: float | None = None

    def send(self, number: signal.Signals) -> None:
        assert self.process.pid is not None
        os.kill(self.process.pid, number)


class WorkerFleet:
    """Sixteen workers; each call of `inject_fault` kills, stops or repeats a random one."""

    def __init__(
        self, port: int, studies: Sequence[str], folder: Path, seconds_of_stops: tuple[float, float]
    ) -> None:
        # Processes that are made in milliseconds, from one that has imported this.
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload([__name__])
        self._arguments = port, list(studies)
        self._folder = folder
        self._seconds_of_stops = seconds_of_stops
        self._n_names = 0
        self.faults: Counter[str] = Counter()
        self._members = [self._start(self._new_name()) for _ in range(N_WORKERS)]

    def inject_fault(self) -> None:
        """Kill, stop or let repeat a random one, and resume those that were stopped long enough."""
        self._resume(time.monotonic())
        alive = [member for member in self._members if member.process.is_alive()]
        assert alive, "the workers had finished all trials by then"
        faults: list[Callable[[WorkerProcess], None]] = [self._kill, self._stop, self._let_repeat]
        random.choice(faults)(random.choice(alive))

    def resume_all(self) -> None:
        self._resume(float("inf"))

    def wait(self, seconds: float) -> None:
        """Wait until all have ended with exit code 0."""
        deadline = time.monotonic() + seconds
        for member in self._members:
            member.process.join(max(0, deadline - time.monotonic()))
        ends = {member.worker_id: member.process.exitcode for member in self._members}
        assert set(ends.values()) == {0}, f"workers ended with {ends}"

    def close(self) -> None:
        for member in self._members:
            if member.process.is_alive():
                member.process.kill()
            member.process.join()

    def _start(self, worker_id: str) -> WorkerProcess:
        arguments = (*self._arguments, worker_id, self._folder)
        process = self._context.Process(target=run, args=arguments)
        process.start()
        return WorkerProcess(worker_id, process)

    def _new_name(self) -> str:
        self._n_names += 1
        return f"worker {self._n_names}"

    def _kill(self, member: WorkerProcess) -> None:
        """Kill it; another process takes its place, half of them as the same worker."""
        member.process.kill()
        member.process.join()
        is_restarted = random.random() < 0.5
        new = self._start(member.worker_id if is_restarted else self._new_name())
        self._members[self._members.index(member)] = new
        self.faults["restarted" if is_restarted else "replaced"] += 1

    def _stop(self, member: WorkerProcess) -> None:
        if member.stopped_until is None:
            member.send(signal.SIGSTOP)
            seconds = random.uniform(*self._seconds_of_stops)
            member.stopped_until = time.monotonic() + seconds
            self.faults["stopped"] += 1

    def _let_repeat(self, member: WorkerProcess) -> None:
        # Before its log exists it does not handle the signal yet.
        if list(self._folder.glob(f"*-{member.process.pid}.jsonl")):
            member.send(signal.SIGUSR1)
            self.faults["let repeat"] += 1

    def _resume(self, now: float) -> None:
        for member in self._members:
            if member.stopped_until is not None and member.stopped_until <= now:
                member.send(signal.SIGCONT)
                member.stopped_until = None

"""Loops and agents of the Python client, killed, stopped and ended at random.

Each evaluation notes what it was given, and what was acknowledged, in lines that outlive it. Its
result carries a token of its own, so that a stored result says which evaluation it is from.
"""

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from tests.support import ROOT

N_LOOPS = 10
N_AGENTS = 3
SLOTS_OF_AN_AGENT = 2
# Of a study that has ended, of SIGTERM with a trial and without one, and of SIGKILL.
EXPECTED_CODES = {0, 128 + signal.SIGTERM, -signal.SIGTERM, -signal.SIGKILL}

EVALUATE = """
import json, os, random, sys, time, uuid

def note(**line):
    with open(os.environ["NOTES"], "a") as file:
        file.write(json.dumps({"at": time.time(), "pid": os.getpid(), **line}) + "\\n")

def losses(params, start):
    for step in range(start, 4):
        time.sleep(random.uniform(0.02, 0.1))
        yield step, params["x"] ** 2 + 1 / (1 + step)
"""
LOOP = f"""{EVALUATE}
import tuner

study = tuner.Client(deadline=120).get_study(sys.argv[1])
for trial in study.loop():
    token = uuid.uuid4().hex
    note(what="given", number=trial.trial_id, params=trial.params, token=token)
    with trial:
        for step, loss in losses(trial.params, trial.next_step):
            trial.report(loss, step=step)
        if random.random() < 0.1:
            trial.fail("gave up", retry=True)
        else:
            trial.complete(trial.params["x"], attrs={{"token": token}})
            note(what="told", number=trial.trial_id, token=token)
"""
PROGRAM = f"""{EVALUATE}
number, params = int(os.environ["TUNER_TRIAL"]), json.loads(os.environ["TUNER_PARAMS"])
token = uuid.uuid4().hex
note(what="given", number=number, params=params, token=token)
with open(os.environ["TUNER_REPORTS"], "a") as reports:
    for step, loss in losses(params, int(os.environ["TUNER_STEP"])):
        print(json.dumps({{"step": step, "value": loss}}), file=reports, flush=True)
if random.random() < 0.1:
    sys.exit(75)
with open(os.environ["TUNER_RESULT"], "w") as result:
    json.dump({{"values": params["x"], "user_attrs": {{"token": token}}}}, result)
"""


@dataclass
class Member:
    """A loop or an agent, by the name that it keeps, and until when it is stopped."""

    name: str
    command: list[str]
    process: subprocess.Popen[bytes]
    stopped_until: float | None = None


class ClientFleet:
    """Loops and agents on one study; each call of `inject_fault` disturbs one of them."""

    def __init__(self, url: str, study: str, folder: Path, longest_stop: float) -> None:
        self.folder = folder
        self._longest_stop = longest_stop
        self._environment = {
            **{key: value for key, value in os.environ.items() if key[:6] != "TUNER_"},
            "TUNER_URL": url,
            "PYTHONPATH": str(ROOT / "clients/python/src"),
        }
        program = folder / "program.py"
        program.write_text(PROGRAM)
        agent = [
            sys.executable, "-m", "tuner.cli", "agent", study, "-j", str(SLOTS_OF_AN_AGENT),
            "--max-failures", "0", "--", sys.executable, str(program),
        ]  # fmt: skip
        loop = [sys.executable, "-c", LOOP, study]
        self.faults: Counter[str] = Counter()
        commands = [(f"loop-{n}", loop) for n in range(N_LOOPS)]
        commands += [(f"agent-{n}", agent) for n in range(N_AGENTS)]
        self._members = [Member(name, each, self._start(name, each)) for name, each in commands]

    def inject_fault(self) -> None:
        """Kill, stop or end a random one, and go on with those that were stopped long enough."""
        self._resume(time.monotonic())
        member = random.choice(self._members)
        if member.process.poll() is not None:
            self._restart(member, "found ended")
        elif member.stopped_until is None:
            # A restart takes more of the processor than a stop: else nothing else would be done.
            (fault,) = random.choices([self._kill, self._end, self._stop], weights=[1, 1, 5])
            fault(member)

    def resume_all(self) -> None:
        self._resume(float("inf"))

    def _resume(self, now: float) -> None:
        """Resume the processes that were to be stopped until then."""
        for member in self._members:
            if member.stopped_until is not None and member.stopped_until <= now:
                member.process.send_signal(signal.SIGCONT)
                member.stopped_until = None

    def wait(self, seconds: float) -> None:
        """Wait until all have ended, as they do when the study has."""
        deadline = time.monotonic() + seconds
        while left := [each for each in self._members if each.process.poll() != 0]:
            assert time.monotonic() < deadline, f"they go on: {left} {self.logs()}"
            for member in left:
                if member.process.poll() is not None:  # by the last faults
                    self._restart(member, "found ended")
            time.sleep(0.1)

    def logs(self) -> str:
        return "\n".join(file.read_text()[-2000:] for file in self.folder.glob("*.log"))

    def close(self) -> None:
        self.resume_all()
        for member in self._members:
            if member.process.poll() is None:
                member.process.kill()
                member.process.wait()

    def _start(self, name: str, command: list[str]) -> subprocess.Popen[bytes]:
        environment = {"TUNER_WORKER": name, "NOTES": str(self.folder / f"{name}.jsonl")}
        with (self.folder / f"{name}.log").open("ab") as log:
            return subprocess.Popen(
                command, env=self._environment | environment, cwd=self.folder,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip

    def _restart(self, member: Member, why: str) -> None:
        code = member.process.returncode
        assert code in EXPECTED_CODES, f"{member.name} ended with {code}: {self.logs()}"
        member.process = self._start(member.name, member.command)
        self.faults[why] += 1

    def _kill(self, member: Member) -> None:
        member.process.kill()
        member.process.wait()
        self._restart(member, "killed")

    def _end(self, member: Member) -> None:
        """End it as a scheduler does; it is restarted when it is found ended."""
        member.process.terminate()
        self.faults["told to end"] += 1

    def _stop(self, member: Member) -> None:
        member.process.send_signal(signal.SIGSTOP)
        is_long = random.random() < 0.15
        seconds = self._longest_stop if is_long else self._longest_stop / 10
        member.stopped_until = time.monotonic() + random.uniform(0.05, seconds)
        self.faults["stopped"] += 1

"""SLURM on this machine: its three daemons in a folder, listening at the loopback address."""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from socket import gethostname
from typing import Any

import pytest

from tests.support.http_client import free_port
from tests.support.service import log_tail

PROGRAMS = ["munged", "slurmctld", "slurmd", "sbatch", "srun", "scontrol", "squeue"]
N_CPUS = 4
SECONDS_TO_START = 30
# The sbin folders are not in the PATH of every account.
PATH = f"{os.environ['PATH']}:/usr/sbin:/sbin"
# No cgroups and no accounting, which need a whole machine; a node may have more CPUs than there
# are; a requeued job starts as soon as its credential has expired.
CONFIGURATION = """\
ClusterName=recipes
SlurmctldHost=localhost(127.0.0.1)
SlurmctldPort={controller_port}
SlurmdPort={node_port}
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
SlurmUser=root
SlurmdUser=root
SlurmdParameters=config_overrides
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=5
CredType=cred/munge
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SwitchType=switch/none
KillWait=5
SchedulerParameters=sched_interval=1,batch_sched_delay=0
NodeName=localhost NodeAddr=127.0.0.1 NodeHostname={host} CPUs={n_cpus} State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


def why_not() -> str | None:
    """Why there can be no SLURM here, or None."""
    if missing := [name for name in PROGRAMS if shutil.which(name, path=PATH) is None]:
        return f"no {', '.join(missing)} (Debian's packages slurm-wlm and munge)"
    return None if os.geteuid() == 0 else "SLURM's daemons want root"


class Slurm:
    """A cluster of one node. Its commands need `environment`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {"SLURM_CONF": str(folder / "slurm.conf"), "PATH": PATH}
        self._daemons: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        for name in ("state", "spool"):
            (self.folder / name).mkdir()
        key = self.folder / "munge.key"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o400)
        text = CONFIGURATION.format(
            folder=self.folder, host=gethostname(), n_cpus=N_CPUS,
            controller_port=free_port(), node_port=free_port(),
        )  # fmt: skip
        (self.folder / "slurm.conf").write_text(text)
        files = {"socket": "socket", "pid-file": "pid", "seed-file": "seed", "log-file": "log"}
        own = [f"--{option}={self.folder}/munge.{end}" for option, end in files.items()]
        self._start_daemon("munged", "--foreground", f"--key-file={key}", *own)
        self._wait(lambda: (self.folder / "munge.socket").exists(), "munged")
        self._start_daemon("slurmctld", "-D")
        self._start_daemon("slurmd", "-D", "-N", "localhost")
        self._wait(lambda: "idle" in self.run("sinfo", "--noheader", check=False), "slurmd")

    def run(self, *command: Any, env: Mapping[str, str] | None = None, check: bool = True) -> str:
        """Run a command of SLURM and return what it prints."""
        done = subprocess.run(
            [str(part) for part in command], cwd=self.folder, capture_output=True, text=True,
            env={**os.environ, **self.environment, **(env or {})}, timeout=60, check=False,
        )  # fmt: skip
        assert not check or done.returncode == 0, f"{command}: {done.stderr}"
        return done.stdout.strip()

    def states(self) -> set[str]:
        """The states of the jobs that have not ended."""
        return set(self.run("squeue", "--noheader", "--array", "--format=%T").split())

    def stop(self) -> None:
        """End the jobs, then the daemons."""
        if len(self._daemons) == 3:
            self.run("scancel", "--user=root", check=False)
            self.run("scancel", "--user=root", "--signal=KILL", check=False)
            deadline = time.monotonic() + SECONDS_TO_START
            while self.run("squeue", "--noheader", check=False) and time.monotonic() < deadline:
                time.sleep(0.5)
        for daemon in reversed(self._daemons):
            daemon.terminate()
            daemon.wait(SECONDS_TO_START)

    def _start_daemon(self, *command: str) -> None:
        env = {**os.environ, **self.environment}
        with (self.folder / f"{command[0]}.log").open("wb") as log:
            daemon = subprocess.Popen(
                command, env=env, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        self._daemons.append(daemon)

    def _wait(self, is_up: Any, name: str) -> None:
        deadline = time.monotonic() + SECONDS_TO_START
        while not is_up():
            if time.monotonic() > deadline:
                last = log_tail(self.folder / f"{name}.log").strip().splitlines()[-1:]
                pytest.skip(f"{name} does not start here: {' '.join(last)}")
            time.sleep(0.2)


@contextmanager
def running_slurm(folder: Path) -> Iterator[Slurm]:
    slurm = Slurm(folder)
    try:
        slurm.start()
        yield slurm
    finally:
        slurm.stop()

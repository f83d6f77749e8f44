"""The load generator: workers that start together, in processes of their own or in a few."""

import multiprocessing
import statistics
import time
import traceback
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from itertools import repeat
from threading import BrokenBarrierError
from typing import Any

import optuna
import psutil

from bench.peers import Ask, Peer

_SPAWN = multiprocessing.get_context("spawn")
_SECONDS = 600  # until a worker reports


@dataclass(frozen=True)
class Load:
    """Seconds of each ask and tell, and CPU seconds: the workers', and each named server's.

    The CPU time of a server includes its children's.
    """

    trials_per_second: float
    asks: list[float]
    tells: list[float]
    workers_cpu: float
    servers_cpu: Mapping[str, float]

    @property
    def ask_and_tell(self) -> float:
        return statistics.median(self.asks) + statistics.median(self.tells)

    @property
    def workers_share(self) -> float:
        """The workers' share of all CPU time that was measured."""
        return self.workers_cpu / (self.workers_cpu + sum(self.servers_cpu.values()))

    def cpu_of_trial(self, server: str) -> float:
        return self.servers_cpu[server] / len(self.asks)


@dataclass(frozen=True)
class _Report:
    """The times of one process. perf_counter is the same clock in all processes of a machine."""

    asks: list[float]
    tells: list[float]
    begun: float
    ended: float
    cpu: float


def run(
    peers: Sequence[Peer],
    n_trials: int,
    servers: Mapping[str, psutil.Process] | None = None,
    *,
    n_processes: int | None = None,
) -> Load:
    """Share n_trials among one worker a peer; connections are made before the clock runs.

    Each worker is a process, or a thread of `n_processes`.

    Raises RuntimeError with a worker's traceback if one fails.
    """
    n_processes = n_processes or len(peers)
    left, ready, results = (
        _SPAWN.Value("i", n_trials),
        _SPAWN.Barrier(n_processes + 1),
        _SPAWN.Queue(),
    )
    processes = [
        _SPAWN.Process(target=_work, args=(share, left, ready, results), daemon=True)
        for share in (peers[i::n_processes] for i in range(n_processes))
    ]
    try:
        for process in processes:
            process.start()
        with suppress(BrokenBarrierError):  # the process that broke it reports why
            ready.wait(_SECONDS)
        before = _cpu_seconds(servers or {})
        reports = [_report(results) for _ in processes]
        after = _cpu_seconds(servers or {})
    except BaseException:
        for process in processes:
            if process.pid:
                process.kill()
        raise
    for process in processes:
        process.join()
    return _load(reports, {name: cpu - before[name] for name, cpu in after.items()})


def _load(reports: Sequence[_Report], servers_cpu: Mapping[str, float]) -> Load:
    asks = [each for report in reports for each in report.asks]
    tells = [each for report in reports for each in report.tells]
    seconds = max(report.ended for report in reports) - min(report.begun for report in reports)
    cpu = sum(report.cpu for report in reports)
    return Load(len(asks) / seconds, asks, tells, cpu, servers_cpu)


def _report(results: Any) -> _Report:
    report = results.get(timeout=_SECONDS)
    if not isinstance(report, _Report):
        raise RuntimeError(f"a worker failed:\n{report}")
    return report


def _work(peers: Sequence[Peer], left: Any, ready: Any, results: Any) -> None:
    try:
        results.put(_take_trials(peers, left, ready))
    except BrokenBarrierError:
        pass  # another process's failure
    except Exception:
        results.put(traceback.format_exc())
        ready.abort()
        raise


def _take_trials(peers: Sequence[Peer], left: Any, ready: Any) -> _Report:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    workers = [peer.connect() for peer in peers]
    ready.wait(_SECONDS)
    begun, cpu = time.perf_counter(), time.process_time()
    if len(workers) == 1:  # without a thread beside the first, which would only cost
        played = [_play(workers[0], left)]
    else:
        with ThreadPoolExecutor(len(workers)) as pool:
            played = list(pool.map(_play, workers, repeat(left)))
    asks = [ask for of_worker in played for ask, _ in of_worker]
    tells = [tell for of_worker in played for _, tell in of_worker]
    return _Report(asks, tells, begun, time.perf_counter(), time.process_time() - cpu)


def _play(ask: Ask, left: Any) -> list[tuple[float, float]]:
    """Return the seconds of each ask and of its tell, while trials are left."""
    seconds = []
    while _takes_one(left):
        at = time.perf_counter()
        tell = ask()
        asked = time.perf_counter()
        tell()
        seconds.append((asked - at, time.perf_counter() - asked))
    return seconds


def _takes_one(left: Any) -> bool:
    with left.get_lock():
        left.value -= 1
        return bool(left.value >= 0)


def _cpu_seconds(servers: Mapping[str, psutil.Process]) -> dict[str, float]:
    """CPU time of each with all its children, also of those that ended meanwhile."""
    return {name: _cpu_seconds_of_family(server) for name, server in servers.items()}


def _cpu_seconds_of_family(server: psutil.Process) -> float:
    seconds = 0.0
    for process in [server, *server.children(recursive=True)]:
        with suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            seconds += times.user + times.system + times.children_user + times.children_system
    return seconds

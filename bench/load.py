"""The load generator: workers in processes of their own that start together."""

import multiprocessing
import statistics
import time
import traceback
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from threading import BrokenBarrierError
from typing import Any

import optuna
import psutil

from bench.peers import Peer

_SPAWN = multiprocessing.get_context("spawn")
_SECONDS = 600  # until a worker reports


@dataclass(frozen=True)
class Load:
    """Seconds of each ask and tell; `own_cpu` is the workers' share of all CPU time spent.

    That is theirs and that of the servers named, with their children.
    """

    trials_per_second: float
    asks: list[float]
    tells: list[float]
    own_cpu: float

    @property
    def ask_and_tell(self) -> float:
        return statistics.median(self.asks) + statistics.median(self.tells)


@dataclass(frozen=True)
class _Report:
    """The times of one worker. perf_counter is the same clock in all processes of a machine."""

    asks: list[float]
    tells: list[float]
    begun: float
    ended: float
    cpu: float


def run(peers: Sequence[Peer], n_trials: int, servers: Sequence[psutil.Process] = ()) -> Load:
    """Share n_trials among one worker a peer; connections are made before the clock runs.

    Raises RuntimeError with a worker's traceback if one fails.
    """
    left, ready, results = (
        _SPAWN.Value("i", n_trials),
        _SPAWN.Barrier(len(peers) + 1),
        _SPAWN.Queue(),
    )
    workers = [
        _SPAWN.Process(target=_work, args=(peer, left, ready, results), daemon=True)
        for peer in peers
    ]
    try:
        for worker in workers:
            worker.start()
        with suppress(BrokenBarrierError):  # the worker that broke it reports why
            ready.wait(_SECONDS)
        before = _cpu_seconds(servers)
        reports = [_report(results) for _ in workers]
        servers_cpu = _cpu_seconds(servers) - before
    except BaseException:
        for worker in workers:
            if worker.pid:
                worker.kill()
        raise
    for worker in workers:
        worker.join()
    asks = [each for report in reports for each in report.asks]
    tells = [each for report in reports for each in report.tells]
    seconds = max(report.ended for report in reports) - min(report.begun for report in reports)
    own = sum(report.cpu for report in reports)
    return Load(len(asks) / seconds, asks, tells, own / (own + servers_cpu))


def _report(results: Any) -> _Report:
    report = results.get(timeout=_SECONDS)
    if not isinstance(report, _Report):
        raise RuntimeError(f"a worker failed:\n{report}")
    return report


def _work(peer: Peer, left: Any, ready: Any, results: Any) -> None:
    try:
        results.put(_take_trials(peer, left, ready))
    except BrokenBarrierError:
        pass  # another worker's failure
    except Exception:
        results.put(traceback.format_exc())
        ready.abort()
        raise


def _take_trials(peer: Peer, left: Any, ready: Any) -> _Report:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    ask = peer.connect()
    asks, tells = [], []
    ready.wait(_SECONDS)
    begun, cpu = time.perf_counter(), time.process_time()
    while _takes_one(left):
        at = time.perf_counter()
        tell = ask()
        asked = time.perf_counter()
        tell()
        asks.append(asked - at)
        tells.append(time.perf_counter() - asked)
    return _Report(asks, tells, begun, time.perf_counter(), time.process_time() - cpu)


def _takes_one(left: Any) -> bool:
    with left.get_lock():
        left.value -= 1
        return bool(left.value >= 0)


def _cpu_seconds(servers: Sequence[psutil.Process]) -> float:
    """CPU time of these and of all their children, also of those that ended meanwhile."""
    seconds = {}
    for server in servers:
        for process in [server, *server.children(recursive=True)]:
            with suppress(psutil.NoSuchProcess):
                times = process.cpu_times()
                ended = times.children_user + times.children_system
                seconds[process.pid] = times.user + times.system + ended
    return sum(seconds.values())

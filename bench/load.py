"""The load generator: workers in processes of their own, started together."""

import multiprocessing
import os
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import optuna

from bench.peers import Peer

_SPAWN = multiprocessing.get_context("spawn")
_SECONDS = 600  # for a worker to say something


@dataclass(frozen=True)
class Load:
    """Seconds of each ask and tell; `own_cpu` is the workers' share of all cores' time."""

    trials_per_second: float
    asks: list[float]
    tells: list[float]
    own_cpu: float

    @property
    def ask_and_tell(self) -> float:
        return statistics.median(self.asks) + statistics.median(self.tells)


def run(peers: Sequence[Peer], n_trials: int) -> Load:
    """Share n_trials among one worker a peer; connections are made before the clock runs."""
    left, ready, results = (
        _SPAWN.Value("i", n_trials),
        _SPAWN.Barrier(len(peers) + 1),
        _SPAWN.Queue(),
    )
    workers = [_SPAWN.Process(target=_work, args=(peer, left, ready, results)) for peer in peers]
    try:
        for worker in workers:
            worker.start()
        ready.wait(_SECONDS)
        begun = time.perf_counter()
        reports = [results.get(timeout=_SECONDS) for _ in workers]
        seconds = max(ended for _, _, _, ended in reports) - begun
    finally:
        for worker in workers:
            worker.join(5)
            worker.kill()
    asks = [each for report in reports for each in report[0]]
    tells = [each for report in reports for each in report[1]]
    own = sum(report[2] for report in reports) / (seconds * (os.cpu_count() or 1))
    return Load(len(asks) / seconds, asks, tells, own)


def _work(peer: Peer, left: Any, ready: Any, results: Any) -> None:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    ask = peer.connect()
    asks, tells = [], []
    ready.wait(_SECONDS)
    cpu = time.process_time()
    while _takes_one(left):
        begun = time.perf_counter()
        tell = ask()
        asked = time.perf_counter()
        tell()
        asks.append(asked - begun)
        tells.append(time.perf_counter() - asked)
    # perf_counter is the same clock in all processes of a machine.
    results.put((asks, tells, time.process_time() - cpu, time.perf_counter()))


def _takes_one(left: Any) -> bool:
    with left.get_lock():
        left.value -= 1
        return bool(left.value >= 0)

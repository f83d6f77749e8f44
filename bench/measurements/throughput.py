"""Throughput, and the waiting time of one worker: ours, raw Optuna and the gRPC proxy in turn."""

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import optuna
import psutil
from tqdm import tqdm

from bench import load
from bench.load import Load
from bench.measurements.cpu import cpu_of_trials
from bench.peers import Peer
from bench.report import Row, Section, milliseconds, spread
from bench.servers import Ground, grpc_proxy
from bench.service import Client
from bench.sizes import Sizes
from bench.space import SPACE

# Of raw Optuna, by sampler and number of workers.
_TARGETS = {
    "random": {1: 7.0, 4: 6.0, 16: 9.0},
    "tpe": {1: 6.0, 4: 5.0, 16: 8.0},
}
_OF_THE_PROXY = {1: 9.0, 4: 10.0, 16: 10.0}


@dataclass(frozen=True)
class _Places:
    """The addresses of the three."""

    port: int
    raw_url: str
    proxy_url: str  # the proxy's database
    proxy_port: int


def measure(ground: Ground, sizes: Sizes, bar: tqdm) -> list[Section]:
    raw_url, proxy_url = (ground.database_of_peers(name) for name in ("raw", "proxied"))
    ground.warm_up()
    with grpc_proxy(proxy_url) as (proxy_port, proxy):
        places = _Places(ground.port, raw_url, proxy_url, proxy_port)
        servers = ground.processes() | {"the proxy": proxy}
        done = _runs(places, servers, sizes, bar)
    section = Section(
        "Throughput",
        f"Trials a second, ask and tell, of {sizes.trials} trials of a fresh study; median (least "
        f"to most) of {sizes.rounds} rounds, the three ways in turn. The ratio is of the medians. "
        "One process a worker; keep-alive connections. The clients' share is of the CPU time of "
        "clients, service and PostgreSQL. The proxy has the cache that Optuna's documentation "
        "advises. Excluded: the start of processes and their connections, and the objective "
        "(microseconds).",
    )
    for sampler in _TARGETS:
        for n_workers in sizes.workers:
            runs = {way: done[sampler, way, n_workers] for way in _WAYS}
            section.rows += _rows(sampler, n_workers, runs)
    waiting = _one_worker(done["random", "ours", 1], done["random", "raw", 1])
    return [
        section,
        waiting,
        cpu_of_trials(
            *({each: done[each, way, 1] for each in _TARGETS} for way in ("ours", "raw"))
        ),
    ]


def n_runs(sizes: Sizes) -> int:
    return sizes.rounds * len(_TARGETS) * len(sizes.workers) * len(_WAYS)


def _runs(
    places: _Places, servers: Mapping[str, psutil.Process], sizes: Sizes, bar: tqdm
) -> dict[tuple[str, str, int], list[Load]]:
    done: dict[tuple[str, str, int], list[Load]] = {}
    for turn in range(sizes.rounds):
        for sampler in _TARGETS:
            for n_workers in sizes.workers:
                for way, new_study in _WAYS.items():
                    bar.set_description(f"{sampler}, {n_workers} workers, {way}")
                    peer = new_study(places, f"{sampler}-{n_workers}-{turn}", sampler)
                    result = load.run([peer] * n_workers, sizes.trials, servers)
                    done.setdefault((sampler, way, n_workers), []).append(result)
                    bar.update()
    return done


def _rows(sampler: str, n_workers: int, runs: dict[str, list[Load]]) -> list[Row]:
    work = f"{sampler}, {n_workers} worker{'s' if n_workers > 1 else ''}"
    rates = {way: [each.trials_per_second for each in loads] for way, loads in runs.items()}
    ours, raw, proxy = (statistics.median(rates[way]) for way in _WAYS)
    own = statistics.median(each.workers_share for each in runs["ours"])
    figures = {way: f"{way} {spread(rates[way], '/s')}" for way in _WAYS}
    figures["ours"] += f", {own:.0%} of the CPU time the clients'"
    return [
        Row(
            f"{work}, of {peer}",
            ours / theirs,
            at_least,
            at_most=False,
            figures=f"{figures['ours']}; {figures[way]}",
        )
        for way, peer, theirs, at_least in (
            ("raw", "raw Optuna", raw, _TARGETS[sampler][n_workers]),
            ("proxy", "the gRPC proxy", proxy, _OF_THE_PROXY[n_workers]),
        )
    ]


def _one_worker(ours: list[Load], raw: list[Load]) -> Section:
    section = Section(
        "Waiting time of one worker",
        "p50 of ask + p50 of tell, `random`, of the runs above with one worker; median (least to "
        "most) of the rounds.",
    )
    waits = [[each.ask_and_tell for each in loads] for loads in (ours, raw)]
    figures = "; ".join(
        f"{name} {spread(of_rounds, 'ms', 1e3)}: "
        f"ask {milliseconds(_all(loads, 'asks'))}, tell {milliseconds(_all(loads, 'tells'))}"
        for name, loads, of_rounds in zip(("ours", "raw"), (ours, raw), waits, strict=True)
    )
    ratio = statistics.median(waits[0]) / statistics.median(waits[1])
    row = Row("ask + tell, of raw Optuna", ratio, 0.25, at_most=True, figures=figures)
    section.rows.append(row)
    return section


def _all(loads: Sequence[Load], what: str) -> list[float]:
    return [seconds for each in loads for seconds in getattr(each, what)]


def _ours(places: _Places, name: str, sampler: str) -> Peer:
    with Client(places.port) as client:
        client.create_study(
            name=name, direction="minimize", search_space=SPACE, sampler=sampler, pruner="none"
        )
    return Peer("ours", str(places.port), name, sampler)


def _raw(places: _Places, name: str, sampler: str) -> Peer:
    optuna.create_study(study_name=name, storage=places.raw_url)
    return Peer("raw", places.raw_url, name, sampler)


def _proxy(places: _Places, name: str, sampler: str) -> Peer:
    optuna.create_study(study_name=name, storage=places.proxy_url)
    return Peer("proxy", str(places.proxy_port), name, sampler)


_WAYS: dict[str, Callable[[_Places, str, str], Peer]] = {
    "ours": _ours,
    "raw": _raw,
    "proxy": _proxy,
}

"""Trials a second, and what one worker waits: ours, raw Optuna and the gRPC proxy in turn."""

import statistics
from collections.abc import Callable
from dataclasses import dataclass

import optuna
from tqdm import tqdm

from bench import load
from bench.load import Load
from bench.peers import Peer
from bench.report import Row, Section, milliseconds, spread
from bench.space import SPACE
from tests.service import Client

# Of raw Optuna, by sampler and number of workers.
_TARGETS = {
    "random": {1: 4.0, 4: 3.0, 16: 4.0},
    "tpe": {1: 3.5, 4: 3.0, 16: 4.0},
}
_OF_THE_PROXY = 6.0


@dataclass(frozen=True)
class Places:
    """Where the three ways lead."""

    port: int
    raw_url: str
    proxy_url: str  # the proxy's database
    proxy_port: int


def measure(places: Places, n_trials: int, rounds: int, bar: tqdm) -> list[Section]:
    done: dict[tuple[str, str, int], list[Load]] = {}
    for turn in range(rounds):
        for sampler, targets in _TARGETS.items():
            for n_workers in targets:
                for way, new_study in _WAYS.items():
                    bar.set_description(f"{sampler}, {n_workers} workers, {way}")
                    peer = new_study(places, f"{sampler}-{n_workers}-{turn}", sampler)
                    result = load.run([peer] * n_workers, n_trials)
                    done.setdefault((sampler, way, n_workers), []).append(result)
                    bar.update()
    section = Section(
        "Throughput",
        f"Trials a second, ask and tell, {n_trials} trials of a fresh study in each of {rounds} "
        "rounds, the three ways in turn. One process a worker; keep-alive connections. Excluded: "
        "the start of processes and their connections, and the objective (microseconds).",
    )
    for sampler, targets in _TARGETS.items():
        for n_workers, target in targets.items():
            runs = {way: done[sampler, way, n_workers] for way in _WAYS}
            section.rows += _rows(f"{sampler}, {n_workers} workers", runs, target)
    return [section, _one_worker(done["random", "ours", 1], done["random", "raw", 1])]


def _rows(work: str, runs: dict[str, list[Load]], target: float) -> list[Row]:
    rates = {way: [each.trials_per_second for each in loads] for way, loads in runs.items()}
    ours, raw, proxy = (statistics.median(rates[way]) for way in _WAYS)
    own = statistics.median(each.own_cpu for each in runs["ours"])
    figures = "; ".join(f"{way} {spread(rates[way], '/s')}" for way in _WAYS)
    figures += f"; our clients took {own:.0%} of the cores"
    return [
        Row(f"{work}, of raw Optuna", ours / raw, target, at_most=False, figures=figures),
        Row(f"{work}, of the gRPC proxy", ours / proxy, _OF_THE_PROXY, at_most=False, figures=""),
    ]


def _one_worker(ours: list[Load], raw: list[Load]) -> Section:
    section = Section(
        "What one worker waits",
        "p50 of ask + p50 of tell, `random`, of the runs above with one worker.",
    )
    waits = [statistics.median(each.ask_and_tell for each in loads) for loads in (ours, raw)]
    figures = "; ".join(
        f"{name}: ask {milliseconds(loads[0].asks)}, tell {milliseconds(loads[0].tells)}"
        for name, loads in (("ours", ours), ("raw", raw))
    )
    row = Row("ask + tell, of raw Optuna", waits[0] / waits[1], 0.25, at_most=True, figures=figures)
    section.rows.append(row)
    return section


def _ours(places: Places, name: str, sampler: str) -> Peer:
    create(places.port, name, sampler)
    return Peer("ours", str(places.port), name, sampler)


def _raw(places: Places, name: str, sampler: str) -> Peer:
    optuna.create_study(study_name=name, storage=places.raw_url)
    return Peer("raw", places.raw_url, name, sampler)


def _proxy(places: Places, name: str, sampler: str) -> Peer:
    optuna.create_study(study_name=name, storage=places.proxy_url)
    return Peer("proxy", str(places.proxy_port), name, sampler)


def create(port: int, name: str, sampler: str) -> None:
    with Client(port) as client:
        client.create_study(
            name=name, direction="minimize", search_space=SPACE, sampler=sampler, pruner="none"
        )


_WAYS: dict[str, Callable[[Places, str, str], Peer]] = {"ours": _ours, "raw": _raw, "proxy": _proxy}

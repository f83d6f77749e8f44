"""Whether the service keeps its throughput when many workers wait for it."""

import statistics

from tqdm import tqdm

from bench import load
from bench.load import Load
from bench.peers import Peer
from bench.report import Row, Section, spread
from bench.servers import Ground
from bench.service import Client
from bench.sizes import Sizes
from bench.space import SPACE

_FEW, _MANY = 16, 64
_SHARE = 0.9
_N_PROCESSES = 2
_SAMPLERS = ("random", "tpe")
N_RUNS = 2 * len(_SAMPLERS)  # in a round


def measure(ground: Ground, sizes: Sizes, bar: tqdm) -> list[Section]:
    section = Section(
        "Many workers",
        f"Trials a second of the service, with {_MANY} workers against {_FEW}, of {sizes.trials} "
        f"trials of a fresh study; median (least to most) of {sizes.rounds} rounds in turn. Unlike "
        f"above, the workers are threads of {_N_PROCESSES} processes, in both cases: {_MANY} "
        "processes would compete with the service for its cores. Each has a keep-alive connection.",
    )
    ground.warm_up()
    done: dict[tuple[str, int], list[Load]] = {}
    for turn in range(sizes.rounds):
        for sampler in _SAMPLERS:
            for n_workers in (_FEW, _MANY):
                bar.set_description(f"{sampler}, {n_workers} workers in threads")
                peer = _peer(ground, f"many-{sampler}-{n_workers}-{turn}", sampler)
                played = load.run(
                    [peer] * n_workers, sizes.trials, ground.processes(), n_processes=_N_PROCESSES
                )
                done.setdefault((sampler, n_workers), []).append(played)
                bar.update()
    for sampler in _SAMPLERS:
        section.rows.append(_row(sampler, done[sampler, _FEW], done[sampler, _MANY]))
    return [section]


def _row(sampler: str, few: list[Load], many: list[Load]) -> Row:
    rates = [[each.trials_per_second for each in loads] for loads in (few, many)]
    shares = [statistics.median(each.workers_share for each in loads) for loads in (few, many)]
    ratio = statistics.median(rates[1]) / statistics.median(rates[0])
    figures = "; ".join(
        f"{n} workers {spread(of_loads, '/s')}, {share:.0%} of the CPU time the clients'"
        for n, of_loads, share in zip((_FEW, _MANY), rates, shares, strict=True)
    )
    work = f"{sampler}, {_MANY} workers, of {_FEW}"
    return Row(work, ratio, _SHARE, at_most=False, figures=figures)


def _peer(ground: Ground, name: str, sampler: str) -> Peer:
    with Client(ground.port) as client:
        client.create_study(name=name, search_space=SPACE, sampler=sampler, pruner="none")
    return Peer("ours", str(ground.port), name, sampler)

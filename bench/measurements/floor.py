"""How near the service is to the cost of its rows."""

import json
import statistics

from tqdm import tqdm

from bench import load
from bench.floor import sample
from bench.load import Load
from bench.peers import Peer
from bench.report import Row, Section, spread
from bench.servers import POSTGRESQL, Ground
from bench.service import Client
from bench.sizes import Sizes
from bench.space import SPACE

_BEST, _VALUE = 0.0, 1.0  # the sampled trial is not the best, as most are not


def measure(ground: Ground, sizes: Sizes, bar: tqdm) -> list[Section]:
    section = Section(
        "The floor",
        "The rows in Django's and Optuna's tables that an ask and its tell of `random` write, "
        "written by a bare loop of psycopg on the same PostgreSQL (bench/floor.py): four "
        "pipelines of prepared statements and two commits a trial, without HTTP, sampler and "
        f"checks. One worker, {sizes.trials} trials a round, {sizes.rounds} rounds in turn with "
        "the service; median (least to most).",
    )
    ground.warm_up()
    done: dict[str, list[Load]] = {"ours": [], "floor": []}
    for turn in range(sizes.rounds):
        for way, loads in done.items():
            bar.set_description(f"the floor, {way}")
            peer = _peer(ground, way, f"floor-{turn}-{way}")
            loads.append(load.run([peer], sizes.trials, ground.processes()))
            bar.update()
    rates = [[each.trials_per_second for each in loads] for loads in done.values()]
    section.rows.append(_row("trials a second, of the floor's", rates, "/s", at_most=False))
    if POSTGRESQL in done["ours"][0].servers_cpu:  # else it is on another machine
        cpu = [[each.cpu_of_trial(POSTGRESQL) * 1e3 for each in loads] for loads in done.values()]
        work = "CPU time of PostgreSQL for a trial, of the floor's"
        section.rows.append(_row(work, cpu, "ms", at_most=True))
    return [section]


def _row(work: str, both: list[list[float]], unit: str, *, at_most: bool) -> Row:
    ours, floor = both
    ratio = statistics.median(ours) / statistics.median(floor)
    figures = f"ours {spread(ours, unit)}; floor {spread(floor, unit)}"
    return Row(work, ratio, None, at_most, figures)


def _peer(ground: Ground, way: str, name: str) -> Peer:
    with Client(ground.port) as client:
        client.create_study(name=name, search_space=SPACE, sampler="random", pruner="none")
        if way == "ours":
            return Peer("ours", str(ground.port), name, "random")
        client.complete(name, client.suggest(name)["trial_id"], values=_BEST)

        def ask() -> tuple[int, int]:
            trial = client.suggest(name)
            return trial["study_id"], trial["trial_id"]

        sampled = sample(
            ground.url, ask, lambda number: client.complete(name, number, values=_VALUE)
        )
    return Peer("floor", json.dumps([ground.url, *sampled]), name, "random")

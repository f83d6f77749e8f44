"""The latency of an ask by the number of finished trials, and the sampler's share of it."""

import statistics

from django.db import connection
from tqdm import tqdm

from bench import load
from bench.fill import filled_study
from bench.peers import Peer
from bench.report import Row, Section
from bench.servers import Ground
from bench.sizes import Sizes

# The share that an ask over HTTP may take.
_SHARES_OF_ASKS = {100: 1.0, 1000: 0.5, 10_000: 0.25}
_OF_A_RANDOM_ASK = 1.2
_WARM_UP = 8  # first asks of a worker, which are not counted
_FEWER = 16  # trials than named: asked and told as the service's processes read the study


def asks_over_http(ground: Ground, sizes: Sizes, bar: tqdm) -> list[Section]:
    """Asks over HTTP, of stock Optuna over the same tables, and of stock Optuna in memory."""
    section = Section(
        "An ask as the study grows",
        f"p50 of {sizes.asks} asks of one worker over HTTP, each told before the next. Each of "
        f"the service's processes has answered asks of the study before, and {_WARM_UP} asks of "
        "the worker are not counted. Optuna in memory: a process of its own with the same trials "
        "and options. While it is measured a study grows by as many trials. The limit is the "
        f"sampler's allowed share of Optuna in memory + {_OF_A_RANDOM_ASK} times our `random` ask.",
    )
    for size in sizes.asked_at:
        bar.set_description(f"asks at {size} trials")
        p50 = _p50s_at(ground, size, sizes.asks)
        for name, seconds in p50.items():
            section.curves.setdefault(name, {})[size] = seconds
        tpe, random, memory = p50["ours, tpe"], p50["ours, random"], p50["Optuna in memory, tpe"]
        if size in _SHARES_OF_ASKS:
            share = _SHARES_OF_ASKS[size]
            limit = share * memory + _OF_A_RANDOM_ASK * random
            figures = (
                f"tpe {tpe * 1e3:.3g} ms; random {random * 1e3:.3g} ms; in memory "
                f"{memory * 1e3:.3g} ms; allowed share {share:g}; limit {limit * 1e3:.3g} ms"
            )
            work = f"ask, tpe, at {size:,} trials, of its limit"
            section.rows.append(Row(work, tpe / limit, 1.0, at_most=True, figures=figures))
        bar.update()
    return [section]


def _p50s_at(ground: Ground, size: int, n: int) -> dict[str, float]:
    names = {}
    for sampler in ("random", "tpe"):
        names[sampler] = filled_study(f"ask-{sampler}-{size}", size - _FEWER, sampler=sampler).name
    connection.close()
    ground.warm_up(*names.values())
    # What is written through Optuna comes last: the service does not know of it.
    peers = {
        "Optuna in memory, tpe": Peer("memory", ground.optuna_url, names["tpe"], "tpe"),
        "ours, random": Peer("ours", str(ground.port), names["random"], "random"),
        "ours, tpe": Peer("ours", str(ground.port), names["tpe"], "tpe"),
        "Optuna on PostgreSQL, tpe": Peer("raw", ground.optuna_url, names["tpe"], "tpe"),
    }
    return {
        name: statistics.median(load.run([peer], _WARM_UP + n).asks[_WARM_UP:])
        for name, peer in peers.items()
    }

"""Scaling: requests at 100,000 trials, lists of studies, asks of many studies at once."""

import statistics
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from django.db import connection
from tqdm import tqdm

from bench import load
from bench.fill import analyze, around_one_front, filled_study
from bench.peers import Peer
from bench.report import Row, Section, milliseconds, spread
from bench.servers import Ground
from bench.service import Client, study_path
from bench.sizes import Sizes

_FRONT = 30
_WARM_UP = 8
_N_LISTS = 20
_N_WORKERS = 16


def requests(ground: Ground, sizes: Sizes, bar: tqdm) -> list[Section]:
    section = Section(
        "Requests as a study grows",
        f"p50 of {sizes.asks} requests over HTTP, of a study with {sizes.large:,} finished trials "
        f"against one with {sizes.small:,}, in turn; {_WARM_UP} of each before are not counted. "
        "Tells are of trials that were asked off the clock. The two studies of `pareto` have the "
        f"same front of {_FRONT} trials, and nothing is told between two requests.",
    )
    both = (sizes.small, sizes.large)
    bar.set_description(f"requests at {sizes.large} trials")
    names = [filled_study(f"grown-{size}", size, sampler="random").name for size in both]
    bar.update()
    values = around_one_front(_FRONT)
    fronts = [filled_study(f"front-{n}", n, sampler="random", values=values).name for n in both]
    bar.update()
    connection.close()
    ground.warm_up(*names)
    with Client(ground.port) as client:
        for work, path in {
            "list of trials, first page": "/trials?limit=100",
            "list of trials, last page": "/trials?limit=100&offset={last}",
            "best": "/best",
            "study": "",
        }.items():
            paths = [
                study_path(name) + path.format(last=size - 100)
                for name, size in zip(names, both, strict=True)
            ]
            section.rows.append(_compared(work, _gets(client, paths, sizes.asks)))
        paths = [f"{study_path(name)}/pareto" for name in fronts]
        section.rows.append(_compared("pareto, again", _gets(client, paths, sizes.asks)))
        # Last, since they change the studies.
        tells = {"tell": lambda number: 2.0, "tell, each a new best": lambda number: -number}
        for work, value_of in tells.items():
            section.rows.append(_compared(work, _tells(client, names, sizes.asks, value_of)))
    bar.update()
    return [section]


def _compared(
    work: str,
    seconds: Sequence[Sequence[float]],
    target: float | None = 1.3,
    names: tuple[str, str] = ("small", "large"),
) -> Row:
    small, large = seconds
    ratio = statistics.median(large) / statistics.median(small)
    figures = f"{names[0]} {milliseconds(small)}; {names[1]} {milliseconds(large)}"
    return Row(work, ratio, target, at_most=True, figures=figures)


def _gets(client: Client, paths: Sequence[str], n: int) -> list[list[float]]:
    """Seconds of n requests of each path, in turn."""
    return _in_turn([partial(client.get, path) for path in paths], n)


def _tells(
    client: Client, names: Sequence[str], n: int, value_of: Callable[[int], float]
) -> list[list[float]]:
    asked = [
        iter([client.suggest(name)["trial_id"] for _ in range(_WARM_UP + n)]) for name in names
    ]

    def tell(name: str, numbers: Any) -> None:
        number = next(numbers)
        client.complete(name, number, values=value_of(number))

    calls = [partial(tell, name, numbers) for name, numbers in zip(names, asked, strict=True)]
    return _in_turn(calls, n)


def _in_turn(calls: Sequence[Callable[[], object]], n: int) -> list[list[float]]:
    """Seconds of n of each of the calls."""
    seconds: list[list[float]] = [[] for _ in calls]
    for _ in range(_WARM_UP + n):
        for call, of_call in zip(calls, seconds, strict=True):
            begun = time.perf_counter()
            call()
            of_call.append(time.perf_counter() - begun)
    return [of_call[_WARM_UP:] for of_call in seconds]


def lists_of_studies(ground: Ground, sizes: Sizes, bar: tqdm) -> list[Section]:
    """To be measured first, while there are no other studies."""
    section = Section(
        "The list of studies",
        f"p50 of {_N_LISTS} requests, with {sizes.many:,} studies of {sizes.each} trials each "
        f"against {sizes.few}. The page that holds all of them has {sizes.many // sizes.few} "
        "times the rows. The statements are two for any page "
        "(tests/studies/test_study_api.py).",
    )
    seconds: dict[str, list[list[float]]] = {"?limit=100": [], "": []}
    for count in (range(sizes.few), range(sizes.few, sizes.many)):
        for i in count:
            bar.set_description(f"study {i} of {sizes.many}")
            filled_study(f"listed-{i}", sizes.each, sampler="random")
            if i in (0, sizes.few - 1, sizes.many - 1):
                analyze()
        connection.close()
        with Client(ground.port) as client:
            for query, found in seconds.items():
                found += _gets(client, [f"/studies{query}"], _N_LISTS)
        bar.update()
    pages = {"?limit=100": ("a page of 100", 3), "": ("all on one page", None)}
    names = f"{sizes.few} studies", f"{sizes.many:,}"
    for query, (work, target) in pages.items():
        section.rows.append(_compared(f"GET /studies, {work}", seconds[query], target, names))
    return [section]


def many_studies(ground: Ground, sizes: Sizes, bar: tqdm) -> list[Section]:
    told, size = sizes.spread_told, sizes.spread
    section = Section(
        "Many studies against one",
        f"Trials a second of {_N_WORKERS} workers, `tpe`, on 8 studies and on one, {told} trials "
        f"a round, {sizes.rounds} rounds in turn; median (least to most). All studies have {size} "
        "finished trials at the beginning of a round, and each of the service's processes has "
        f"answered asks of them; a study then grows by {told / 8 / size:.1%} or "
        f"{told / size:.1%}.",
    )
    rates: dict[int, list[float]] = {8: [], 1: []}
    for turn in range(sizes.rounds):
        for n_studies, found in rates.items():
            bar.set_description(f"{_N_WORKERS} workers, number of studies: {n_studies}")
            names = [f"spread-{turn}-{n_studies}-{i}" for i in range(n_studies)]
            for name in names:
                filled_study(name, size)
            connection.close()
            ground.warm_up(*names)
            peers = [
                Peer("ours", str(ground.port), names[i % n_studies], "tpe")
                for i in range(_N_WORKERS)
            ]
            found.append(load.run(peers, told).trials_per_second)
            bar.update()
    apart = abs(1 - statistics.median(rates[8]) / statistics.median(rates[1]))
    figures = f"8 studies {spread(rates[8], '/s')}; one {spread(rates[1], '/s')}"
    row = Row("8 studies of one, apart by", apart, 0.2, at_most=True, figures=figures)
    section.rows.append(row)
    return [section]

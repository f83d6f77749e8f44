"""What must not grow: requests at 100,000 trials, lists of studies, cold starts, memory."""

import signal
import statistics
import subprocess
import sys
from collections.abc import Sequence
from functools import partial

from django.db import connection
from tqdm import tqdm

from bench import load
from bench.asking import timed
from bench.fill import analyze, around_one_front, filled_study
from bench.peers import Peer, path_of
from bench.report import Row, Section, milliseconds, spread
from studies.models import Study
from tests.service import Client, Service

_FRONT = 30


def requests(port: int, small: int, large: int, n: int, bar: tqdm) -> Section:
    section = Section(
        "Requests as a study grows",
        f"p50 of {n} requests over HTTP, of a study with {large:,} finished trials against one "
        f"with {small:,}, in turn. Tells are of trials that were asked off the clock. The two "
        f"studies of `pareto` have the same front of {_FRONT} trials.",
    )
    bar.set_description(f"requests at {large} trials")
    sizes = [filled_study(f"grown-{size}", size, sampler="random") for size in (small, large)]
    bar.update()
    fronts = [
        filled_study(f"front-{size}", size, sampler="random", values=around_one_front(_FRONT))
        for size in (small, large)
    ]
    bar.update()
    connection.close()
    with Client(port) as client:
        section.rows.append(_compared("tell", [_tells(client, study, n) for study in sizes]))
        for work, path in {
            "list of trials, first page": "/trials?limit=100",
            "list of trials, last page": "/trials?limit=100&offset={last}",
            "best": "/best",
            "study": "",
        }.items():
            paths = [
                path_of(study.name) + path.format(last=study.n_trials - 100) for study in sizes
            ]
            section.rows.append(_compared(work, _gets(client, paths, n)))
        paths = [f"{path_of(study.name)}/pareto" for study in fronts]
        section.rows.append(_compared("pareto, again", _gets(client, paths, n)))
    bar.update()
    return section


def _compared(work: str, seconds: Sequence[Sequence[float]]) -> Row:
    small, large = seconds
    ratio = statistics.median(large) / statistics.median(small)
    figures = f"small {milliseconds(small)}; large {milliseconds(large)}"
    return Row(work, ratio, 1.3, at_most=True, figures=figures)


def _gets(client: Client, paths: Sequence[str], n: int) -> list[list[float]]:
    """Seconds of n requests of each path, in turn."""
    seconds: list[list[float]] = [[] for _ in paths]
    for turn in range(n + 8):
        for path, of_path in zip(paths, seconds, strict=True):
            of_path += timed(partial(client.get, path), 1)
        if turn == 7:  # both of the service's processes have answered it
            seconds = [[] for _ in paths]
    return seconds


def _tells(client: Client, study: Study, n: int) -> list[float]:
    numbers = iter([client.suggest(study.name)["trial_id"] for _ in range(n + 8)])

    def tell() -> None:
        client.complete(study.name, next(numbers), values=2.0)

    timed(tell, 8)
    return timed(tell, n)


def lists_of_studies(port: int, few: int, many: int, n_trials: int, bar: tqdm) -> Section:
    """To be measured first, while there are no other studies."""
    section = Section(
        "The list of studies",
        f"p50 of 20 requests, with {many:,} studies of {n_trials} trials each against {few}. "
        "The statements are two for any page (tests/studies/test_statement_counts.py).",
    )
    seconds: dict[str, list[list[float]]] = {"?limit=100": [], "": []}
    for count in (range(few), range(few, many)):
        for i in count:
            bar.set_description(f"study {i} of {many}")
            filled_study(f"listed-{i}", n_trials, sampler="random")
            if i in (0, few - 1, many - 1):
                analyze()
        connection.close()
        with Client(port) as client:
            for query, found in seconds.items():
                found += _gets(client, [f"/studies{query}"], 20)
        bar.update()
    for query, work in {"?limit=100": "a page of 100", "": "all on one page"}.items():
        small, large = seconds[query]
        ratio = statistics.median(large) / statistics.median(small)
        figures = f"{few} studies {milliseconds(small)}; {many:,} {milliseconds(large)}"
        section.rows.append(Row(f"GET /studies, {work}", ratio, 3, at_most=True, figures=figures))
    return section


def many_studies(port: int, size: int, n_trials: int, rounds: int, bar: tqdm) -> Section:
    section = Section(
        "Many studies against one",
        f"Trials a second of 16 workers, `tpe`, on 8 studies and on one, {n_trials} trials a "
        f"round. All studies have {size} finished trials at the beginning of each round.",
    )
    rates: dict[int, list[float]] = {8: [], 1: []}
    for turn in range(rounds):
        for n_studies, found in rates.items():
            bar.set_description(f"16 workers on {n_studies} studies")
            names = [f"spread-{turn}-{n_studies}-{i}" for i in range(n_studies)]
            for name in names:
                filled_study(name, size)
            connection.close()
            peers = [Peer("ours", str(port), names[i % n_studies], "tpe") for i in range(16)]
            found.append(load.run(peers, n_trials).trials_per_second)
            bar.update()
    ratio = statistics.median(rates[8]) / statistics.median(rates[1])
    figures = f"8 studies {spread(rates[8], '/s')}; one {spread(rates[1], '/s')}"
    apart = abs(1 - ratio)
    section.rows.append(
        Row("8 studies of one, apart by", apart, 0.2, at_most=True, figures=figures)
    )
    return section


def cold_ask(service: Service, size: int, repeats: int, bar: tqdm) -> Section:
    section = Section(
        "The first ask of a cold process",
        f"p50 of {repeats} first asks, `tpe`, at {size:,} finished trials. Ours: over HTTP, of a "
        "service that has just become ready. Raw Optuna: connecting, `load_study` and the first "
        "ask, of a new process; its imports are excluded.",
    )
    study = filled_study("cold", size)
    connection.close()
    ours, raw = [], []
    for _ in range(repeats):
        bar.set_description("cold asks")
        service.end(signal.SIGTERM)
        service.start()
        with Client(service.port) as client:
            ours += timed(lambda: client.suggest(study.name), 1)
        raw.append(_printed_by("bench.cold", service.optuna_url, study.name))
        bar.update()
    ratio = statistics.median(ours) / statistics.median(raw)
    figures = f"ours {milliseconds(ours)}; raw {milliseconds(raw)}"
    section.rows.append(Row("first ask, of raw Optuna", ratio, 0.08, at_most=True, figures=figures))
    return section


def memory(size: int, bar: tqdm) -> Section:
    section = Section(
        "Memory",
        f"What a new process grows by (unique set size, after a collection) when it reads a study "
        f"of {size:,} trials, without intermediate values. HISTORY_MAX_TRIALS bounds how many are "
        "held.",
    )
    bar.set_description("memory")
    study = filled_study("memory", size)
    connection.close()
    grown = _printed_by("bench.memory", str(study.pk))
    megabytes = grown / 1e6 / size * 10_000
    work = "MB per 10,000 trials"
    section.rows.append(Row(work, megabytes, 20, at_most=True, figures=f"{megabytes:.1f} MB"))
    bar.update()
    return section


def _printed_by(*module: str) -> float:
    """The number that a program of the measurements prints, run in a new process."""
    done = subprocess.run(
        [sys.executable, "-m", *module],
        stdout=subprocess.PIPE, text=True, check=True, timeout=600,
    )  # fmt: skip
    return float(done.stdout)

"""The start of a process: its first ask, and the memory of the trials that it holds."""

import os
import statistics
import subprocess
import sys
import time

from django.db import connection
from tqdm import tqdm

from bench.fill import filled_study
from bench.report import Row, Section, spread
from bench.servers import Ground
from bench.service import Client, running_service
from bench.sizes import Sizes


def cold_asks(ground: Ground, sizes: Sizes, bar: tqdm) -> list[Section]:
    section = Section(
        "The first ask of a cold process",
        f"{sizes.cold_starts} first asks in turn, `tpe`, at {sizes.cold:,} finished trials; median "
        "(least to most). Ours: over HTTP, of a service of one process (WEB_WORKERS=1) that has "
        "just become ready. Raw Optuna: connecting, `load_study` and the first ask, of a new "
        "process, over the same trials; its imports are excluded. Ours has been asked for its "
        "readiness, so that its connection to the database is made.",
    )
    # Of two equal studies: what raw Optuna writes, the service would not know.
    ours_study, raw_study = (filled_study(f"cold-{each}", sizes.cold) for each in ("ours", "raw"))
    connection.close()
    ours, raw = [], []
    for _ in range(sizes.cold_starts):
        bar.set_description("cold asks")
        with (
            running_service({**ground.environment, "WEB_WORKERS": "1"}) as service,
            Client(service.port) as client,
        ):
            client.get("/ready")
            begun = time.perf_counter()
            client.suggest(ours_study.name)
            ours.append(time.perf_counter() - begun)
        raw.append(
            _printed_by("bench.measurements.optuna_first_ask", ground.optuna_url, raw_study.name)
        )
        bar.update()
    ratio = statistics.median(ours) / statistics.median(raw)
    figures = f"ours {spread(ours, 'ms', 1e3)}; raw {spread(raw, 'ms', 1e3)}"
    section.rows.append(Row("first ask, of raw Optuna", ratio, 0.08, at_most=True, figures=figures))
    return [section]


def memory(ground: Ground, sizes: Sizes, bar: tqdm) -> list[Section]:
    section = Section(
        "Memory",
        "What a new process grows by (unique set size, after a collection) when it reads a study "
        f"of {sizes.memory:,} trials of ten parameters, without intermediate values. "
        "HISTORY_MAX_TRIALS bounds how many are held.",
    )
    bar.set_description("memory")
    study = filled_study("memory", sizes.memory)
    connection.close()
    grown = _printed_by("bench.measurements.memory", str(study.pk))
    megabytes = grown / 1e6 / sizes.memory * 10_000
    figures = f"{grown / 1e6:.0f} MB in all"
    row = Row("MB per 10,000 trials", megabytes, 20, at_most=True, figures=figures)
    section.rows.append(row)
    bar.update()
    return [section]


def _printed_by(*module: str) -> float:
    """The number that a program of the measurements prints, run in a new process."""
    done = subprocess.run(
        [sys.executable, "-m", *module],
        env=os.environ, stdout=subprocess.PIPE, text=True, check=True, timeout=600,
    )  # fmt: skip
    return float(done.stdout)

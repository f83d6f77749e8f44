"""The Python client: what `optimize` costs beside the bare HTTP calls that it makes."""

import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import httpx2
from tqdm import tqdm

import tuner
from bench.report import Row, Section, milliseconds
from bench.servers import Ground
from bench.service import Client
from bench.sizes import Sizes

_TARGET = 1.15
_BLOCK = 10  # trials between two looks at the clock
_WARM_UP = 2  # blocks


def measure(ground: Ground, sizes: Sizes, bar: tqdm) -> list[Section]:
    """Compare `optimize` with bare calls, by the client's own HTTP library and by a leaner one."""
    section = Section(
        "The Python client",
        f"p50 of the time of a trial, ask and tell, in blocks of {_BLOCK} trials, in turn, one "
        "worker. Bare calls send the same requests over one kept connection, and do nothing else: "
        "no lease, no repetition, no check of a parameter.",
    )
    url = f"http://127.0.0.1:{ground.port}"
    bar.set_description("the Python client")
    with tuner.Client(url) as client, httpx2.Client(base_url=url) as bare:
        studies = [_study(client, f"client-{name}") for name in ("optimize", "bare", "lean")]
        with Client(ground.port) as lean:
            seconds = _in_turn(
                [
                    partial(studies[0].optimize, _objective, n_trials=_BLOCK),
                    partial(_play_bare, bare, studies[1].name),
                    partial(_play_lean, lean, studies[2].name),
                ],
                sizes.trials // _BLOCK,
            )
    optimize, by_httpx, by_urllib = seconds
    for other, theirs, target in (
        ("bare calls by httpx2", by_httpx, _TARGET),
        ("bare calls by urllib3", by_urllib, None),
    ):
        ratio = statistics.median(optimize) / statistics.median(theirs)
        figures = f"optimize {milliseconds(optimize)}; bare {milliseconds(theirs)}"
        section.rows.append(Row(f"optimize, of {other}", ratio, target, True, figures))
    bar.update()
    return [section]


def _study(client: tuner.Client, name: str) -> tuner.Study:
    space = {f"x{i}": tuner.Float(0, 1) for i in range(10)}
    return client.create_study(name, sampler="random", space=space, lease_seconds=120)


def _objective(trial: Any) -> float:
    return sum(trial.suggest_float(f"x{i}", 0, 1) for i in range(10))


def _play_bare(http: httpx2.Client, name: str) -> None:
    path = f"/api/v1/studies/{name}/trials"
    for _ in range(_BLOCK):
        offer = http.post(f"{path}/suggest", json={"worker_id": "bare"}).json()
        result = {"values": sum(offer["params"].values()), "study_id": offer["study_id"]}
        url = f"{path}/{offer['trial_id']}/complete"
        http.post(url, json={**result, "worker_id": "bare"}).raise_for_status()


def _play_lean(client: Client, name: str) -> None:
    for _ in range(_BLOCK):
        offer = client.suggest(name)
        client.complete(name, offer["trial_id"], values=sum(offer["params"].values()))


def _in_turn(plays: list[Callable[[], object]], n: int) -> list[list[float]]:
    """Return the seconds of a trial, for each of n blocks of each play."""
    seconds: list[list[float]] = [[] for _ in plays]
    for _ in range(_WARM_UP + n):
        for play, of_play in zip(plays, seconds, strict=True):
            begun = time.perf_counter()
            play()
            of_play.append((time.perf_counter() - begun) / _BLOCK)
    return [of_play[_WARM_UP:] for of_play in seconds]

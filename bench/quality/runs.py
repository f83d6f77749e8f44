"""Runs of an algorithm on a problem, kept as lines of JSON, so that a run is done once."""

import json
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bench.quality.algorithms import algorithm
from bench.quality.problem import Evaluation, Problem
from bench.quality.problems import PROBLEMS

BUDGETS = (20, 50, 100, 200)  # evaluations after which algorithms are compared
_ASKS = 5  # of which the median is taken


@dataclass(frozen=True)
class Setting:
    """What is run: `parallel` points are open at a time."""

    algorithm: str
    problem: str
    seed: int
    parallel: int
    trials: int


@dataclass(frozen=True)
class Result:
    """The curve: after each evaluation, the value without noise of the best point seen so far.

    With two objectives it is the hypervolume of the front. `seconds` are those of an ask, by the
    number of asks up to there.
    """

    setting: Setting
    version: str
    curve: list[float]
    seconds: dict[int, float]


def run(setting: Setting) -> Result:
    """Let an algorithm search, with the same order of ends for each algorithm of a seed."""
    problem, found = PROBLEMS[setting.problem], algorithm(setting.algorithm)
    rng = np.random.default_rng((setting.seed, setting.parallel))
    search = found.start(problem, setting.seed)
    opened: list[tuple[Any, Any]] = []
    evaluations: list[Evaluation] = []
    seconds = []
    for asked in range(setting.trials + setting.parallel - 1):
        if asked < setting.trials:
            begun = time.perf_counter()
            opened.append(search.ask())
            seconds.append(time.perf_counter() - begun)
        if len(opened) == setting.parallel or asked >= setting.trials:
            handle, params = opened.pop(rng.integers(len(opened)))
            evaluations.append(problem.evaluate(params, rng))
            search.tell(handle, evaluations[-1].seen)
    of_ask = {n: float(np.median(seconds[n - _ASKS : n])) for n in BUDGETS if n <= len(seconds)}
    return Result(setting, found.version(), curve(problem, evaluations), of_ask)


def curve(problem: Problem, evaluations: Sequence[Evaluation]) -> list[float]:
    if problem.reference is not None:
        return _hypervolumes([each.true for each in evaluations], problem.reference)
    values, best = [], evaluations[0]
    for each in evaluations:
        best = each if each.seen[0] < best.seen[0] else best
        values.append(best.true[0])
    return values


def _hypervolumes(points: Sequence[Sequence[float]], reference: tuple[float, float]) -> list[float]:
    """Return the area that the first n points dominate, for each n."""
    volumes, front = [], []
    for x, y in points:
        if x < reference[0] and y < reference[1]:
            front.append((x, y))
        front = _front(front)
        volume, above = 0.0, reference[1]
        for left, low in front:
            volume += (reference[0] - left) * (above - low)
            above = low
        volumes.append(volume)
    return volumes


def _front(points: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
    front: list[tuple[float, float]] = []
    for point in sorted(points):
        if not front or point[1] < front[-1][1]:
            front.append(point)
    return front


def read(files: Iterable[Path]) -> Iterator[Result]:
    """Yield the results in files of JSON lines."""
    for file in files:
        for line in file.read_text().splitlines():
            yield _read(json.loads(line))


def _read(found: dict[str, Any]) -> Result:
    setting, changes = Setting(**found["setting"]), dict(found["curve"])
    curve: list[float] = []
    for index in range(setting.trials):
        curve.append(changes[index] if index in changes else curve[-1])
    seconds = {int(n): value for n, value in found["seconds"].items()}
    return Result(setting, found["version"], curve, seconds)


def write(result: Result, file: Path) -> None:
    """Append a result, of its curve where it changes; six digits of each figure are enough."""
    found, curve = asdict(result), [_rounded(value) for value in result.curve]
    before = [None, *curve]
    found["curve"] = [(i, value) for i, value in enumerate(curve) if value != before[i]]
    found["seconds"] = {n: _rounded(value) for n, value in result.seconds.items()}
    with file.open("a") as lines:
        lines.write(json.dumps(found) + "\n")


def _rounded(value: float) -> float:
    return float(f"{value:.6g}")

"""Optimisation quality of concurrent workers, compared with stock Optuna."""

import math
import multiprocessing
import random
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from statistics import fmean, median
from typing import Any, Protocol

import optuna
import pytest
from optuna.distributions import FloatDistribution
from optuna.samplers import BaseSampler
from scipy.stats import mannwhitneyu

from optuna_bridge.samplers.registry import SAMPLERS
from tests.support import scaled
from tests.support.http_client import HttpClient
from tests.support.service import running_service

N_WORKERS = 8
STOCK_SAMPLERS: dict[str, Callable[..., BaseSampler]] = {
    "tpe": optuna.samplers.TPESampler,
    "gp": optuna.samplers.GPSampler,
    "random": optuna.samplers.RandomSampler,
    "nsgaii": optuna.samplers.NSGAIISampler,
    "qmc": optuna.samplers.QMCSampler,
}
SILENCED = {
    "gp": {"warn_independent_sampling": False},
    "qmc": {"warn_independent_sampling": False, "warn_asynchronous_seeding": False},
}


@dataclass(frozen=True)
class Function:
    """To be minimised over a box."""

    bounds: Sequence[tuple[float, float]]
    value: Callable[[Sequence[float]], float]
    minimum: float

    @property
    def names(self) -> list[str]:
        return [f"x{index}" for index in range(len(self.bounds))]


def branin(x: Sequence[float]) -> float:
    """https://www.sfu.ca/~ssurjano/branin.html"""
    valley = x[1] - 5.1 / (4 * math.pi**2) * x[0] ** 2 + 5 / math.pi * x[0] - 6
    return valley**2 + 10 * (1 - 1 / (8 * math.pi)) * math.cos(x[0]) + 10


_ALPHA = (1.0, 1.2, 3.0, 3.2)
_A = (
    (10, 3, 17, 3.5, 1.7, 8),
    (0.05, 10, 17, 0.1, 8, 14),
    (3, 3.5, 1.7, 10, 17, 8),
    (17, 8, 0.05, 10, 0.1, 14),
)
_P = (
    (0.1312, 0.1696, 0.5569, 0.0124, 0.8283, 0.5886),
    (0.2329, 0.4135, 0.8307, 0.3736, 0.1004, 0.9991),
    (0.2348, 0.1451, 0.3522, 0.2883, 0.3047, 0.6650),
    (0.4047, 0.8828, 0.8732, 0.5743, 0.1091, 0.0381),
)


def hartmann6(x: Sequence[float]) -> float:
    """https://www.sfu.ca/~ssurjano/hart6.html"""
    return -sum(
        alpha * math.exp(-sum(a * (xi - p) ** 2 for a, p, xi in zip(row, at, x, strict=True)))
        for alpha, row, at in zip(_ALPHA, _A, _P, strict=True)
    )


FUNCTIONS = {
    "branin": Function([(-5, 10), (0, 15)], branin, 0.397887),
    "hartmann6": Function([(0, 1)] * 6, hartmann6, -3.32237),
}


@dataclass(frozen=True)
class Setting:
    """What one study does; `pause` are the seconds that an evaluation takes, at least and most."""

    function: str
    sampler: str
    n_trials: int
    pause: tuple[float, float]


@dataclass(frozen=True)
class Run:
    """What came out: the best value, and how many trials were open when one was handed out."""

    best: float
    mean_open: float


class Asker(Protocol):
    """One worker's side of a study."""

    def ask(self) -> tuple[Any, dict[str, float]]: ...

    def tell(self, trial: Any, value: float) -> None: ...


class Ours:
    """A worker of the service."""

    def __init__(self, port: int, study: str) -> None:
        self._client = HttpClient(port)
        self._study = study

    def ask(self) -> tuple[int, dict[str, float]]:
        suggestion = self._client.suggest(self._study)
        return suggestion["trial_id"], suggestion["params"]

    def tell(self, trial: int, value: float) -> None:
        self._client.complete(self._study, trial, values=value)


class Raw:
    """A worker of raw Optuna: a study and a sampler of its own over the shared storage."""

    def __init__(self, storage: optuna.storages.BaseStorage, setting: Setting) -> None:
        options = SAMPLERS[setting.sampler].complete({}) | SILENCED.get(setting.sampler, {})
        sampler = STOCK_SAMPLERS[setting.sampler](**options)
        self._study = optuna.load_study(study_name="raw", storage=storage, sampler=sampler)
        function = FUNCTIONS[setting.function]
        self._distributions: dict[str, Any] = {
            name: FloatDistribution(low, high)
            for name, (low, high) in zip(function.names, function.bounds, strict=True)
        }

    def ask(self) -> tuple[optuna.Trial, dict[str, float]]:
        trial = self._study.ask(self._distributions)
        return trial, trial.params

    def tell(self, trial: optuna.Trial, value: float) -> None:
        self._study.tell(trial, value)


def run_ours(port: int, name: str, setting: Setting) -> Run:
    function = FUNCTIONS[setting.function]
    space = [
        {"type": "float", "name": name, "low": low, "high": high}
        for name, (low, high) in zip(function.names, function.bounds, strict=True)
    ]
    with HttpClient(port) as client:
        client.create_study(
            name=name,
            direction="minimize",
            search_space=space,
            sampler=setting.sampler,
            pruner="none",
        )
        run = _optimise(setting, [Ours(port, name) for _ in range(N_WORKERS)])
        assert client.get(f"/studies/{name}/best")["value"] == run.best
    return run


def run_raw(setting: Setting) -> Run:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
    storage = optuna.storages.InMemoryStorage()
    optuna.create_study(study_name="raw", storage=storage, direction="minimize")
    return _optimise(setting, [Raw(storage, setting) for _ in range(N_WORKERS)])


def _optimise(setting: Setting, askers: Sequence[Asker]) -> Run:
    """Let the workers share the trials; each goes on as soon as it is free."""
    function = FUNCTIONS[setting.function]
    lock = threading.Lock()
    left = setting.n_trials
    open_now = 0
    open_counts: list[int] = []
    values: list[float] = []

    def work(asker: Asker) -> None:
        nonlocal left, open_now
        rng = random.Random()
        while True:
            with lock:
                if left == 0:
                    return
                left -= 1
            trial, params = asker.ask()
            with lock:
                open_now += 1
                open_counts.append(open_now)
            time.sleep(rng.uniform(*setting.pause))
            value = function.value([params[name] for name in function.names])
            asker.tell(trial, value)
            with lock:
                open_now -= 1
                values.append(value)

    with ThreadPoolExecutor(len(askers)) as pool:
        for task in [pool.submit(work, asker) for asker in askers]:
            task.result()
    return Run(min(values), sum(open_counts) / len(open_counts))


pytestmark = pytest.mark.accept

ALPHA = 0.05
PROCESSES = 4  # studies at a time, ours and raw ones mixed
PAUSE = (0.4, 0.8)  # seconds of an evaluation, long against an ask over HTTP
# A Gaussian process takes a second, and eight workers queue for it: longer trials.
GP_PAUSE = (2.0, 4.0)
SAMPLER_NAMES = ["random", "qmc", "nsgaii", "tpe", "gp"]


@dataclass
class Comparison:
    """One function and sampler: all repeats of both sides."""

    setting: Setting
    repeats: int
    ours: list[Run] = field(default_factory=list)
    raw: list[Run] = field(default_factory=list)

    @property
    def medians(self) -> tuple[float, float]:
        return median(_best(self.ours)), median(_best(self.raw))

    @property
    def p_worse(self) -> float:
        """How likely ours were to be so much worse if both were alike (one-sided)."""
        ours, raw = _best(self.ours), _best(self.raw)
        if len({*ours, *raw}) == 1:
            return 1.0
        return float(mannwhitneyu(ours, raw, alternative="greater").pvalue)

    def line(self, p_corrected: float) -> str:
        ours, raw = self.medians
        opened = [fmean(run.mean_open for run in runs) for runs in (self.ours, self.raw)]
        return (
            f"{self.setting.function:<10}{self.setting.sampler:<8}{self.setting.n_trials:>6} x "
            f"{self.repeats:<4}{ours:>10.4f}{raw:>10.4f}{p_corrected:>8.3f}"
            f"{opened[0]:>9.1f}{opened[1]:>6.1f}"
        )


HEADER = "function  sampler trials x rep.    ours       raw  Holm p  open: ours   raw"


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's correction (1979): p-values that hold for all comparisons together."""
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    corrected = [0.0] * len(p_values)
    highest = 0.0
    for rank, index in enumerate(order):
        highest = max(highest, min(1.0, p_values[index] * (len(p_values) - rank)))
        corrected[index] = highest
    return corrected


def comparison(function: str, sampler: str) -> Comparison:
    pause = GP_PAUSE if sampler == "gp" else PAUSE
    return Comparison(Setting(function, sampler, 100, pause), scaled(15, 3))


@pytest.fixture(scope="module")
def comparisons() -> Iterator[list[Comparison]]:
    """All studies played, ours and raw ones mixed, so that both get the machine alike."""
    comparisons = [
        comparison(function, sampler) for sampler in SAMPLER_NAMES for function in FUNCTIONS
    ]
    context = multiprocessing.get_context("spawn")
    with (
        running_service() as service,
        ProcessPoolExecutor(PROCESSES, context, initializer=_one_thread_each) as pool,
    ):
        places: dict[Future[Run], list[Run]] = {}
        for repeat in range(max(each.repeats for each in comparisons)):
            for each in comparisons:
                if repeat < each.repeats:
                    setting = each.setting
                    name = f"{setting.function}-{setting.sampler}-{repeat}"
                    places[pool.submit(run_ours, service.port, name, setting)] = each.ours
                    places[pool.submit(run_raw, setting)] = each.raw
        for done, task in enumerate(as_completed(places), 1):
            places[task].append(task.result())
            print(f"\r{done} of {len(places)} studies", end="", flush=True)
        yield comparisons


def test_service_optimises_no_worse_than_optuna(
    comparisons: list[Comparison], record_property: Callable[[str, Any], None]
) -> None:
    corrected = holm([each.p_worse for each in comparisons])
    lines = [each.line(p) for each, p in zip(comparisons, corrected, strict=True)]
    for line in [HEADER, *lines]:
        record_property("found", line)
    worse = [line for line, p in zip(lines, corrected, strict=True) if p < ALPHA]
    assert worse == []


def test_tpe_is_better_than_random_on_branin(
    comparisons: list[Comparison], record_property: Callable[[str, Any], None]
) -> None:
    medians = {
        each.setting.sampler: each.medians[0]
        for each in comparisons
        if each.setting.function == "branin"
    }
    minimum = FUNCTIONS["branin"].minimum
    record_property(
        "found",
        f"tpe {medians['tpe']:.4f}, random {medians['random']:.4f}; the minimum is {minimum}",
    )
    assert minimum - 1e-6 < medians["tpe"] < medians["random"]


def test_objective_functions_have_their_minima() -> None:
    """The functions themselves are written correctly."""
    hartmann_at = [0.20169, 0.150011, 0.476874, 0.275332, 0.311652, 0.6573]
    for name, at in [("branin", [math.pi, 2.275]), ("hartmann6", hartmann_at)]:
        function = FUNCTIONS[name]
        assert function.value(at) == pytest.approx(function.minimum, abs=1e-5)


def _best(runs: list[Run]) -> list[float]:
    return [run.best for run in runs]


def _one_thread_each() -> None:
    """As in the service: PyTorch's threads would take each other's cores."""
    import torch

    torch.set_num_threads(1)

"""One study of a known function, by eight concurrent workers: through the service, or raw Optuna.

Both sides ask in the same way for the same number of trials, and each evaluation sleeps as long
on both, so that about eight trials are open at any time.
"""

import math
import random
import threading
import time
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol

import optuna
from optuna.distributions import FloatDistribution
from optuna.samplers import BaseSampler

from optuna_bridge.samplers.registry import SAMPLERS
from tests.service import Client

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
        self._client = Client(port)
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
    with Client(port) as client:
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

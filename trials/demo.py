"""Demo studies of known test functions, with finished, pruned, failed and running trials."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from django.db import transaction

from access.actors import Actor
from optuna_bridge.enums import TrialState
from studies.domain import Definition, create_study
from studies.models import NamedStudy, Study
from trials import domain
from trials.domain import TrialResult
from trials.models import Trial

Params = Mapping[str, Any]
SEED = 7
WORKERS = 4


@dataclass(frozen=True)
class Demo:
    """A study, its objective, and its number of trials, of which the last `running` still run."""

    definition: Definition
    function: Callable[[Params], Sequence[float]]
    n_trials: int
    running: int = 0
    steps: int = 0  # of each trial's learning curve; if there are any, bad trials are pruned
    noise: float = 0  # its standard deviation


def branin(params: Params) -> Sequence[float]:
    """Return the Branin function, minimum 0.397887: https://www.sfu.ca/~ssurjano/branin.html."""
    x, y = params["x"], params["y"]
    b, c, t = 5.1 / (4 * math.pi**2), 5 / math.pi, 1 / (8 * math.pi)
    return [(y - b * x**2 + c * x - 6) ** 2 + 10 * (1 - t) * math.cos(x) + 10]


def hartmann6(params: Params) -> Sequence[float]:
    """Return the Hartmann 6 function, minimum -3.32237: https://www.sfu.ca/~ssurjano/hart6.html."""
    a = (
        (10, 3, 17, 3.5, 1.7, 8),
        (0.05, 10, 17, 0.1, 8, 14),
        (3, 3.5, 1.7, 10, 17, 8),
        (17, 8, 0.05, 10, 0.1, 14),
    )
    p = (
        (1312, 1696, 5569, 124, 8283, 5886),
        (2329, 4135, 8307, 3736, 1004, 9991),
        (2348, 1451, 3522, 2883, 3047, 6650),
        (4047, 8828, 8732, 5743, 1091, 381),
    )
    xs = [params[f"x{i}"] for i in range(6)]
    exponents = (
        sum(
            weight * (x - centre / 1e4) ** 2
            for weight, x, centre in zip(row, xs, row_p, strict=True)
        )
        for row, row_p in zip(a, p, strict=True)
    )
    heights = (1.0, 1.2, 3.0, 3.2)
    return [-sum(h * math.exp(-e) for h, e in zip(heights, exponents, strict=True))]


def zdt1(params: Params) -> Sequence[float]:
    """Return ZDT1 (Zitzler, Deb, Thiele 2000); its Pareto front is f2 = 1 - sqrt(f1)."""
    first, *others = params.values()
    g = 1 + 9 * sum(others) / len(others)
    return [first, g * (1 - math.sqrt(first / g))]


def training(params: Params) -> Sequence[float]:
    """Return a made-up accuracy after training: best near a learning rate of 0.01, with adam."""
    distance = abs(math.log10(params["learning_rate"]) + 2)
    bonus = {"adam": 0.05, "sgd": 0.0, "rmsprop": 0.02}[params["optimizer"]]
    return [0.9 - 0.12 * distance + bonus - abs(params["batch_size"] - 64) / 1000]


def optimizers(params: Params) -> Sequence[float]:
    """Return a made-up loss, in which each optimizer has settings of its own."""
    rate = math.log10(params["learning_rate"])
    if params["optimizer"] == "adam":
        return [0.2 + 0.1 * (rate + 3) ** 2 + (params["beta"] - 0.9) ** 2]
    momentum = params.get("momentum", 0.0)  # which plain SGD does not have
    return [0.15 + 0.1 * (rate + 1.5) ** 2 + 0.3 * (momentum - 0.9) ** 2]


def _floats(names: Sequence[str], low: float, high: float) -> list[dict[str, Any]]:
    return [{"type": "float", "name": name, "low": low, "high": high} for name in names]


_BRANIN: list[dict[str, Any]] = [*_floats(["x"], -5.0, 10.0), *_floats(["y"], 0.0, 15.0)]
_TRAINING: list[dict[str, Any]] = [
    {"type": "float", "name": "learning_rate", "low": 1e-4, "high": 1e-1, "log": True},
    {"type": "int", "name": "batch_size", "low": 16, "high": 128, "step": 16},
    {"type": "categorical", "name": "optimizer", "choices": ["adam", "sgd", "rmsprop"]},
]
_OPTIMIZERS: list[dict[str, Any]] = [
    {"type": "categorical", "name": "optimizer", "choices": ["adam", "sgd", "nesterov"]},
    {"type": "float", "name": "learning_rate", "low": 1e-5, "high": 1.0, "log": True},
    {
        **{"type": "float", "name": "momentum", "low": 0.0, "high": 0.99},
        "when": {"optimizer": ["nesterov"]},
    },
    {
        **{"type": "float", "name": "beta", "low": 0.5, "high": 0.999},
        "when": {"optimizer": ["adam"]},
    },
]


def _definition(name: str, space: list[dict[str, Any]], **more: Any) -> Definition:
    options = {"sampler_options": {"seed": SEED}, "user_attrs": {"demo": True}}
    return Definition(name=f"demo-{name}", search_space=space, **{**options, **more})


DEMOS = (
    Demo(_definition("branin-tpe", _BRANIN, direction="minimize", sampler="tpe"), branin, 60),
    Demo(
        _definition(
            "branin-noisy",
            _BRANIN,
            direction="minimize",
            sampler="tpe",
            repeats={"n": 3, "aggregate": "mean"},
        ),
        branin,
        n_trials=91,
        running=2,
        noise=10.0,
    ),
    Demo(_definition("branin-qmc", _BRANIN, direction="minimize", sampler="qmc"), branin, 40),
    Demo(
        _definition(
            "hartmann6",
            _floats([f"x{i}" for i in range(6)], 0.0, 1.0),
            direction="minimize",
            sampler="tpe",
        ),
        hartmann6,
        n_trials=50,
        running=4,
    ),
    Demo(
        _definition("training", _TRAINING, sampler="tpe", pruner="median"),
        training,
        n_trials=45,
        running=2,
        steps=20,
    ),
    Demo(
        _definition("optimizers", _OPTIMIZERS, direction="minimize", sampler="tpe"),
        optimizers,
        n_trials=40,
        running=2,
    ),
    Demo(
        _definition(
            "zdt1",
            _floats(["x0", "x1", "x2"], 0.0, 1.0),
            direction=["minimize", "minimize"],
            sampler="nsgaii",
            sampler_options={"seed": SEED, "population_size": 20},
        ),
        zdt1,
        n_trials=80,
    ),
)


def seed_demo(demo: Demo, *, actor: Actor) -> tuple[Study, bool]:
    """Create a demo study with all its trials in one transaction.

    Returns:
        The study, and whether it is new.
    """
    with transaction.atomic():
        study, is_new = create_study(actor=actor, definition=demo.definition)
        if is_new:
            for number in range(demo.n_trials):
                _play(demo, study, number, actor)
            study.refresh_from_db()
    return study, is_new


def _play(demo: Demo, study: Study, number: int, actor: Actor) -> None:
    named = NamedStudy(study.name)
    worker_id = f"gpu-{number % WORKERS}"
    trial = domain.ask(actor=actor, named=named, worker_id=worker_id, new=True)
    if number >= demo.n_trials - demo.running:
        return
    values = [value + _noise(demo, trial) for value in demo.function(trial.params)]
    result = _result(demo, number, values)
    domain.tell(actor=actor, named=named, number=number, result=result)


def _noise(demo: Demo, trial: Trial) -> float:
    """Return the noise of a repeat, by its seed and its point."""
    if not demo.noise or trial.repeat is None:
        return 0.0
    rng = np.random.default_rng([trial.repeat["seed"], trial.repeat["group"]])
    return float(rng.normal(0, demo.noise))


def _result(demo: Demo, number: int, values: Sequence[float]) -> TrialResult:
    if number % 17 == 11:
        return TrialResult(state=TrialState.FAIL, reason="out of memory")
    if not demo.steps:
        return TrialResult(state=TrialState.COMPLETE, values=values)
    curve = {step: values[0] * (1 - math.exp(-step / 6)) for step in range(1, demo.steps + 1)}
    if values[0] < 0.75:
        early = {step: value for step, value in curve.items() if step <= demo.steps // 3}
        return TrialResult(state=TrialState.PRUNED, intermediate_values=early)
    return TrialResult(state=TrialState.COMPLETE, values=values, intermediate_values=curve)

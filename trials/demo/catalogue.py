"""The demo studies."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from studies.domain import Definition
from trials.demo.objectives import (
    Params,
    accuracy_and_latency,
    branin,
    hartmann6,
    optimizers,
    training,
    zdt1,
)

SEED = 7

_NO_IMPROVEMENT = {"trials": 60, "min_delta": 0.001, "reference_point": None}


@dataclass(frozen=True)
class Demo:
    """A study, its objective, and its number of trials, of which the last `running` still run.

    Attributes:
        steps: The epochs of a training; bad ones are pruned after some.
        noise: The standard deviation of the objective.
        seconds: How long a trial takes, their median.
        hours_ago: When the last trial ended.
        workers: How many trials run at a time.
        breaks_at: From the start of this trial on all fail, as after a bad change of the code.
        pause: The number of trials after which it was paused for a while.
    """

    definition: Definition
    function: Callable[[Params], Sequence[float]]
    n_trials: int
    running: int = 0
    steps: int = 0
    noise: float = 0
    seconds: float = 60
    hours_ago: float = 0
    workers: int = 4
    breaks_at: int | None = None
    pause: int | None = None


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
    Demo(
        _definition("branin-tpe", _BRANIN, direction="minimize", sampler="tpe"),
        branin,
        n_trials=60,
        seconds=40,
        hours_ago=50,
    ),
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
        seconds=90,
    ),
    Demo(
        _definition("branin-qmc", _BRANIN, direction="minimize", sampler="qmc"),
        branin,
        n_trials=40,
        seconds=40,
        hours_ago=27,
    ),
    Demo(
        _definition(
            "hartmann6",
            _floats([f"x{i}" for i in range(6)], 0.0, 1.0),
            direction="minimize",
            sampler="tpe",
            life={"max_trials": 150, "stop_after_no_improvement": _NO_IMPROVEMENT},
        ),
        hartmann6,
        n_trials=50,
        running=4,
        seconds=240,
    ),
    Demo(
        _definition(
            "training",
            _TRAINING,
            sampler="tpe",
            pruner="median",
            metric_names=["accuracy"],
            life={"max_trials": 100, "max_concurrent": 4, "max_failures": 30, "max_retries": 2},
        ),
        training,
        n_trials=45,
        running=2,
        steps=20,
        seconds=1500,
        pause=20,
    ),
    Demo(
        _definition(
            "optimizers",
            _OPTIMIZERS,
            direction="minimize",
            sampler="tpe",
            metric_names=["loss"],
            life={"max_retries": 1},
        ),
        optimizers,
        n_trials=40,
        running=2,
        seconds=600,
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
        seconds=60,
        hours_ago=3,
    ),
    Demo(
        _definition(
            "latency",
            _TRAINING,
            direction=["maximize", "minimize"],
            sampler="tpe",
            metric_names=["accuracy", "latency in ms"],
            life={"max_trials": 120},
        ),
        accuracy_and_latency,
        n_trials=60,
        running=3,
        seconds=420,
    ),
    Demo(
        _definition(
            "finetune",
            _TRAINING,
            sampler="tpe",
            pruner="median",
            metric_names=["accuracy"],
            life={"max_trials": 100},
        ),
        training,
        n_trials=30,
        running=1,
        steps=20,
        seconds=900,
        breaks_at=16,
    ),
)

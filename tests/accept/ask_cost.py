"""Measure what the asks of one study take, in a process of its own; for `test_ask_cost`.

The argument is a `Size` in JSON; it prints the CPU seconds of the slowest of two asks, the most
memory above the idle process with its trials, and what the trials themselves take.
"""

import json
import logging
import math
import resource
import sys
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import optuna

from optuna_bridge.constraints import constraint_attrs
from optuna_bridge.drafts import DraftTrial
from optuna_bridge.frozen_trials import frozen_trial
from optuna_bridge.pruners.registry import build_pruner
from optuna_bridge.sampler_storage import SamplerStorage
from optuna_bridge.samplers.registry import SAMPLERS, build_sampler
from optuna_bridge.space.search_space import SearchSpace
from tests.support import JSON

MAX_BYTES = 6 * 2**30  # of addresses, far more than is allowed, so that the machine survives
GENERATIONS = {
    "nsgaii": "NSGAIISampler:generation",
    "nsgaiii": "NSGAIIISampler:generation",
    "cmaes": "cma:generation",
}
CHOICES = [f"choice {i}" for i in range(1000)]
KINDS: dict[str, JSON] = {
    "float": {"type": "float", "low": 0.0, "high": 1.0},
    "int": {"type": "int", "low": -(2**53), "high": 2**53},
    "small": {"type": "int", "low": 0, "high": 999},
    "categorical": {"type": "categorical", "choices": CHOICES},
}


@dataclass(frozen=True)
class Size:
    """A study; `params` are numbers of parameters by kind, and all trials are on the front."""

    sampler: str
    params: dict[str, int]
    n_trials: int
    options: dict[str, Any] = field(default_factory=dict)
    n_objectives: int = 1
    n_constraints: int = 0
    n_running: int = 0


def build_storage(size: Size, space: SearchSpace) -> SamplerStorage[DraftTrial]:
    study = SimpleNamespace(id=1, name="large", directions=["minimize"] * size.n_objectives)
    names = list(space.distributions) if SAMPLERS[size.sampler].reads_columns else None
    storage = SamplerStorage[DraftTrial](study, pruning_direction="minimize", names=names)
    for trial, internal_params in random_trials(size, space):
        storage._put(trial)
        if storage.columns is not None:
            storage.columns.put([trial], [internal_params])
    if size.sampler == "cmaes":  # the generations of all trials are replayed, as after a restart
        n = population(size)
        storage._study_attrs = {
            f"CmaEsSampler:parent:{k + 1}": list(range(k * n + 1, (k + 1) * n + 1))
            for k in range(size.n_trials // n)
        }
    return storage


def population(size: Size) -> int:
    if size.sampler != "cmaes":
        return int(size.options.get("population_size", 50))
    return int(size.options.get("popsize") or 4 + 3 * math.log(sum(size.params.values())))


def random_trials(size: Size, space: SearchSpace) -> Iterator[tuple[Any, list[float | None]]]:
    rng = np.random.default_rng(0)
    spans = [
        (0, len(CHOICES)) if each["type"] == "categorical" else (each["low"], each["high"])
        for each in space.parameters
    ]
    low, high = np.array(spans, dtype=float).T
    is_discrete = np.array([each["type"] != "float" for each in space.parameters])
    for number in range(size.n_trials):
        drawn: Any = low + rng.random(len(low)) * (high - low)
        drawn = np.where(is_discrete, np.floor(drawn), drawn).tolist()
        values = -np.abs(rng.normal(size=size.n_objectives))
        values /= np.linalg.norm(values) if size.n_objectives > 1 else 1
        constraints = {str(i): rng.normal() for i in range(size.n_constraints)}
        attrs: Any = constraint_attrs(constraints)
        if size.sampler in GENERATIONS:
            attrs[GENERATIONS[size.sampler]] = number // population(size)
        is_running = number >= size.n_trials - size.n_running
        state = "RUNNING" if is_running else "COMPLETE"
        told = None if is_running else values.tolist()
        yield frozen_trial(space, drawn, number, number + 1, state, told, attrs), drawn


def memory(of: str) -> float:
    """Return `VmRSS`, the memory now, or `VmHWM`, the most so far, in MB."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(of):
            return int(line.split()[1]) / 1024
    raise LookupError(of)


def measure(size: Size) -> JSON:
    parameters = [
        {"name": f"{kind} {i}", **KINDS[kind]} for kind, n in size.params.items() for i in range(n)
    ]
    space = SearchSpace(parameters)
    idle = memory("VmRSS")
    storage = build_storage(size, space)
    filled = memory("VmRSS")
    kind = SAMPLERS[size.sampler]
    sampler = build_sampler(size.sampler, kind.complete({"seed": 1} | size.options), space)
    study = storage.as_study(sampler, build_pruner("none", {}))
    seconds = []
    for number in range(size.n_trials, size.n_trials + 2):
        started = time.process_time()
        storage.draw_into(DraftTrial(number), study, space.distributions, annotates=True)
        seconds.append(time.process_time() - started)
    peak = memory("VmHWM")
    return {"seconds": max(seconds), "mb": peak - filled, "mb_of_trials": filled - idle}


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_AS, (MAX_BYTES, MAX_BYTES))
    warnings.simplefilter("ignore")
    optuna.logging.set_verbosity(logging.ERROR)
    print(json.dumps(measure(Size(**json.loads(sys.argv[1])))))

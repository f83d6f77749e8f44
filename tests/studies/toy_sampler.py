"""A process of the service with one more sampler, for `test_added_sampler`.

The sampler suggests the middle of each range, and a choice that depends on the seed.
"""

import json
import sys
from typing import Any

import django
from numpy.random import RandomState
from optuna import Study
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial

from optuna_bridge.options import SEED, Option
from optuna_bridge.samplers.kind import SamplerKind
from optuna_bridge.samplers.registry import SAMPLERS

URL = "/api/v1/studies"
SPACE = [
    {"type": "float", "name": "x", "low": 0.0, "high": 1.0},
    {"type": "categorical", "name": "kind", "choices": ["a", "b", "c"]},
]


class MiddleSampler(BaseSampler):
    """Of Optuna's public interface alone."""

    def __init__(self, shift: float, seed: int | None) -> None:
        self.shift = shift
        self.rng = RandomState(seed)

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        return {}

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        return {}

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        if isinstance(param_distribution, CategoricalDistribution):
            return param_distribution.choices[self.rng.randint(len(param_distribution.choices))]
        middle = (param_distribution.low + param_distribution.high) / 2  # type: ignore[attr-defined]
        return middle + self.shift


# All that is to be done for a sampler. Before Django starts, as if it stood in the registry.
SAMPLERS["middle"] = SamplerKind(
    build=lambda options, space: MiddleSampler(**options),
    options={"seed": SEED, "shift": Option("float", 0.0, "Added to the middle.", -0.5, 0.5)},
    is_slow=False,
    reseed=lambda sampler, seed, number: sampler.rng.seed([seed, number]),
    budget=(1, 5),
    slow_beyond=2,
    max_running=lambda options, n_known: 1,
)


def play() -> dict[str, Any]:
    """A study with the sampler, over the API."""
    from rest_framework.test import APIClient

    api = APIClient()
    api.default_format = "json"
    definition = {"name": "toy", "search_space": SPACE, "direction": "minimize", "max_trials": 6}
    sampler = {"sampler": "middle", "sampler_options": {"shift": 0.25, "seed": 3}}
    refused = api.post(URL, {**definition, "sampler": "middle", "sampler_options": {"shift": 2}})
    created = api.post(URL, definition | sampler)
    asked = [api.post(f"{URL}/toy/trials/suggest").json() for _ in range(4)]
    values = {"values": 0.5}
    for trial in asked[:-1]:
        api.post(f"{URL}/toy/trials/{trial['trial_id']}/complete", values)
    asked.append(api.post(f"{URL}/toy/trials/suggest").json())
    return {
        "refused": refused.json()["errors"],
        "created": created.json(),
        "params": [trial["params"] for trial in asked],
        "best": api.get(f"{URL}/toy/best").json(),
        "advice": api.get(f"{URL}/toy/advice").json(),
        "openapi": api.get("/api/v1/schema").content.decode(),
    }


if __name__ == "__main__":
    django.setup()
    json.dump(play(), sys.stdout)

    from django.db import connection

    connection.close_pool()  # type: ignore[attr-defined]

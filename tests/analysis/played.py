"""Studies whose answers are looked at, and the same studies as stock Optuna sees them."""

import base64
import json
import math
import random
from typing import Any

import numpy as np
import optuna
from rest_framework.test import APIClient

from optuna_bridge.storage.storage import DjangoStorage
from tests.play import JSON, SEARCH, STUDIES, add, create_study, suggest

URL = f"{STUDIES}/{SEARCH}"
SPACE: list[JSON] = [
    {"type": "float", "name": "x", "low": 0.0, "high": 1.0},
    {"type": "float", "name": "rate", "low": 1e-4, "high": 1.0, "log": True},
    {"type": "int", "name": "n", "low": 1, "high": 9},
    {"type": "categorical", "name": "c", "choices": ["a", "b", True]},
]
TWO = ["minimize", "maximize"]


def stock_study(name: str = SEARCH) -> optuna.Study:
    """The study as stock Optuna loads it from its schema."""
    return optuna.load_study(study_name=name, storage=DjangoStorage())


def strict(response: Any) -> Any:
    """The JSON of an answer, which has neither NaN nor Infinity."""
    assert response.status_code == 200, response.content

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    return json.loads(response.content, parse_constant=refuse)


def create(api: APIClient, **definition: Any) -> JSON:
    return create_study(
        api,
        **{"search_space": SPACE, "direction": "minimize", "sampler": "random"}
        | {"pruner": "none"}
        | definition,
    )


def points(n: int, seed: int = 0) -> list[JSON]:
    """Parameters at random."""
    draw = random.Random(seed)
    return [
        {
            "x": draw.random(),
            "rate": 10 ** draw.uniform(-4, 0),
            "n": draw.randint(1, 9),
            "c": draw.choice(["a", "b", True]),
        }
        for _ in range(n)
    ]


def outcome(params: JSON, objectives: int = 1) -> list[float]:
    """What matters is x, then n, for the first objective; for the others rate."""
    first = 10 * (params["x"] - 0.3) ** 2 + 0.1 * params["n"] + (params["c"] == "a") * 0.01
    return [first, *(math.log10(params["rate"]) + k * params["x"] for k in range(1, objectives))]


def record(api: APIClient, *values: Any, **more: Any) -> None:
    """Add a completed trial at a random point for each value."""
    at = points(len(values))
    add(
        api,
        [
            {"params": params, "state": "COMPLETE", "values": value, **more}
            for params, value in zip(at, values, strict=True)
        ],
    )


def record_outcomes(api: APIClient, n: int, objectives: int = 1) -> None:
    """Add n completed trials of the function."""
    record(api, *(outcome(params, objectives) for params in points(n)))


def played(api: APIClient, n: int = 40, **definition: Any) -> None:
    """A study with trials of all states: of n, every seventh is pruned and every eleventh fails.

    With constraints, every third of the completed ones is infeasible.
    """
    study = create(api, **definition)
    direction = study["direction"]
    objectives = len(direction) if isinstance(direction, list) else 1
    names = study["constraints"]
    trials: list[JSON] = []
    for number, params in enumerate(points(n)):
        steps = {str(step): number / (step + 1) for step in range(number % 5)}
        trial: JSON = {"params": params, "state": "COMPLETE", "intermediate_values": steps}
        if number % 11 == 5:
            trial |= {"state": "FAIL", "reason": "out of memory"}
        elif number % 7 == 3:
            trial |= {"state": "PRUNED"}
        else:
            trial |= {"values": outcome(params, objectives)}
            if names:
                trial |= {"constraints": dict.fromkeys(names, 1 - number % 3)}
        trials.append(trial)
    add(api, trials)
    suggest(api)
    add(api, {"params": {"x": 0.5}})


def decoded(content: Any) -> Any:
    """Plotly's JSON with its arrays, which are packed, as lists; None for NaN."""
    if isinstance(content, list):
        return [decoded(each) for each in content]
    if not isinstance(content, dict):
        return content
    if "bdata" not in content:
        return {key: decoded(each) for key, each in content.items()}
    array = np.frombuffer(base64.b64decode(content["bdata"]), content["dtype"])
    shape = [int(n) for n in str(content.get("shape", array.size)).split(",")]
    numbers = [None if np.isnan(number) else number for number in array.tolist()]
    return np.array(numbers, dtype=object).reshape(shape).tolist()

"""The search space: ten parameters, for the API and for Optuna, and a cheap objective."""

from collections.abc import Mapping
from typing import Any

from optuna.distributions import BaseDistribution

from optuna_bridge.space.search_space import SearchSpace

SPACE: list[dict[str, Any]] = [
    *({"type": "float", "name": f"x{i}", "low": 0.0, "high": 1.0} for i in range(4)),
    *({"type": "float", "name": f"log{i}", "low": 1e-5, "high": 1.0, "log": True} for i in (0, 1)),
    *({"type": "int", "name": f"n{i}", "low": 1, "high": 100} for i in (0, 1)),
    *({"type": "categorical", "name": f"c{i}", "choices": ["a", "b", "c"]} for i in (0, 1)),
]
DISTRIBUTIONS: dict[str, BaseDistribution] = SearchSpace(SPACE).distributions

# The service's defaults, which the peers are given too.
TPE_OPTIONS = {
    "n_startup_trials": 10,
    "multivariate": True,
    "constant_liar": True,
    "group": False,
    "n_ei_candidates": 24,
}


def objectives(params: Mapping[str, Any], n: int = 1) -> list[float]:
    """n losses, in microseconds."""
    numbers = [ord(value) if isinstance(value, str) else value for value in params.values()]
    return [sum((value - i) ** 2 for value in numbers) for i in range(n)]

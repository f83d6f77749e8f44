"""A problem: a search space, and what its objective returns."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Params = Mapping[str, Any]
Objective = Callable[[Params], float | Sequence[float]]


@dataclass(frozen=True)
class Problem:
    """A problem whose objectives are minimised.

    Attributes:
        name: Its name in tables.
        space: The search space, as the service's API takes it.
        objective: Returns the value of each objective, without noise.
        best: The best value that is known: of one objective its minimum, of two the largest
            hypervolume; None where the best of all runs counts.
        noise: The standard deviation of the noise that is added to what a sampler sees.
        reference: With two objectives, the point from which the hypervolume is measured.
    """

    name: str
    space: Sequence[Params]
    objective: Objective
    best: float | None = None
    noise: float = 0.0
    reference: tuple[float, float] | None = None

    @property
    def n_objectives(self) -> int:
        return 1 if self.reference is None else 2

    def evaluate(self, params: Params, rng: np.random.Generator) -> "Evaluation":
        """Evaluate the objective once."""
        found = self.objective(params)
        true = [found] if isinstance(found, float | int) else list(found)
        seen = [value + self.noise * rng.standard_normal() for value in true]
        return Evaluation(seen if self.noise else true, true)


@dataclass(frozen=True)
class Evaluation:
    """The values that the sampler sees, and those without noise, by which it is judged."""

    seen: list[float]
    true: list[float]


def real(name: str, low: float, high: float, **more: Any) -> dict[str, Any]:
    """Return a float parameter."""
    return {"type": "float", "name": name, "low": low, "high": high, **more}


def integer(name: str, low: int, high: int, **more: Any) -> dict[str, Any]:
    """Return an int parameter."""
    return {"type": "int", "name": name, "low": low, "high": high, **more}


def choice(name: str, *choices: Any) -> dict[str, Any]:
    """Return a categorical parameter."""
    return {"type": "categorical", "name": name, "choices": list(choices)}


def box(n: int, low: float, high: float) -> list[dict[str, Any]]:
    """Return the parameters x0, x1, … of a cube."""
    return [real(f"x{i}", low, high) for i in range(n)]


def vector(params: Params) -> np.ndarray:
    """Return the values of x0, x1, … in order."""
    return np.array([params[f"x{i}"] for i in range(sum(name[0] == "x" for name in params))])

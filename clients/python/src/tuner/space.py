"""Search spaces: the parameters of a study, with their bounds, as the API describes them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypeAlias

Choice: TypeAlias = str | int | float | bool | None


@dataclass(frozen=True)
class Float:
    """A real parameter between `low` and `high`, both included."""

    low: float
    high: float
    step: float | None = None
    log: bool = False

    def to_wire(self) -> dict[str, Any]:
        """Return the parameter as the API describes it, without its name."""
        return {
            "type": "float",
            "low": float(self.low),
            "high": float(self.high),
            **_options(self.step, self.log),
        }

    def __str__(self) -> str:
        return f"float from {self.low!r} to {self.high!r}{_suffix(self.step, self.log)}"


@dataclass(frozen=True)
class Int:
    """An integer parameter between `low` and `high`, both included."""

    low: int
    high: int
    step: int = 1
    log: bool = False

    def to_wire(self) -> dict[str, Any]:
        """Return the parameter as the API describes it, without its name."""
        step = None if self.step == 1 else self.step
        return {"type": "int", "low": self.low, "high": self.high, **_options(step, self.log)}

    def __str__(self) -> str:
        step = None if self.step == 1 else self.step
        return f"int from {self.low} to {self.high}{_suffix(step, self.log)}"


@dataclass(frozen=True)
class Categorical:
    """One of several choices without an order: texts, numbers or bools."""

    choices: tuple[Choice, ...]

    def __init__(self, choices: Sequence[Choice]) -> None:
        object.__setattr__(self, "choices", tuple(map(_plain, choices)))

    def to_wire(self) -> dict[str, Any]:
        """Return the parameter as the API describes it, without its name."""
        return {"type": "categorical", "choices": list(self.choices)}

    def __str__(self) -> str:
        return f"categorical of {list(self.choices)!r}"


Distribution: TypeAlias = Float | Int | Categorical
SearchSpace: TypeAlias = dict[str, Distribution]


def read_space(parameters: Sequence[Mapping[str, Any]]) -> SearchSpace:
    """Return the search space that the API describes by a list of parameters."""
    return {parameter["name"]: _read_parameter(parameter) for parameter in parameters}


def space_to_wire(space: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the list of parameters for a search space.

    Args:
        space: for each name a `Float`, `Int` or `Categorical`, or a distribution of Optuna.

    Raises:
        TypeError: a value is neither.
    """
    return [{"name": name, **to_distribution(name, each).to_wire()} for name, each in space.items()]


def to_distribution(name: str, given: Any) -> Distribution:
    """Return a distribution of this module for one of its own or of Optuna's."""
    if isinstance(given, Float | Int | Categorical):
        return given
    match type(given).__name__:
        case "FloatDistribution":
            return Float(given.low, given.high, step=given.step, log=given.log)
        case "IntDistribution":
            return Int(given.low, given.high, step=given.step, log=given.log)
        case "CategoricalDistribution":
            return Categorical(given.choices)
    raise TypeError(
        f'parameter "{name}": {given!r} is not a distribution: expected tuner.Float, tuner.Int, '
        "tuner.Categorical, or a distribution of Optuna"
    )


def _plain(choice: Any) -> Choice:
    """Return a choice, also one that is a scalar of NumPy."""
    plain: Choice = choice.item() if hasattr(choice, "item") else choice
    return plain


def is_same(one: Distribution, other: Distribution) -> bool:
    """Tell whether two distributions have the same values; 1 and True are different choices."""
    if isinstance(one, Categorical) and isinstance(other, Categorical):
        return [(type(each), each) for each in one.choices] == [
            (type(each), each) for each in other.choices
        ]
    return type(one) is type(other) and _reachable(one) == _reachable(other)


def _reachable(distribution: Distribution) -> Distribution:
    """Return a distribution with the last value that its steps reach, as Optuna stores it."""
    if isinstance(distribution, Categorical) or distribution.step is None:
        return distribution
    bounds = (distribution.low, distribution.high, distribution.step)
    low, high, step = (Decimal(str(bound)) for bound in bounds)
    last = float(low + (high - low) // step * step)
    return Float(float(low), last, float(step), distribution.log)


def _read_parameter(parameter: Mapping[str, Any]) -> Distribution:
    if parameter["type"] == "categorical":
        return Categorical(parameter["choices"])
    log = parameter.get("log") or False
    if parameter["type"] == "int":
        return Int(parameter["low"], parameter["high"], parameter.get("step") or 1, log)
    return Float(parameter["low"], parameter["high"], parameter.get("step"), log)


def _options(step: float | None, log: bool) -> dict[str, Any]:
    return {**({} if step is None else {"step": step}), **({"log": True} if log else {})}


def _suffix(step: float | None, log: bool) -> str:
    return ("" if step is None else f" in steps of {step!r}") + (" on a log scale" if log else "")

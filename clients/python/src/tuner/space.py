"""Search spaces: the parameters of a study, with their bounds, as the API describes them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, TypeAlias

Choice: TypeAlias = str | int | float | bool | None
# By the name of another parameter, a list of its values, or {"min": …, "max": …}.
When: TypeAlias = Mapping[str, Sequence[Choice] | Mapping[str, float]]


@dataclass(frozen=True)
class Float:
    """A real parameter between `low` and `high`, both included.

    Attributes:
        when: the values of other parameters with which a trial has this one, as in
            `{"optimizer": ["sgd"], "layers": {"min": 2}}`; None: each trial has it.
    """

    low: float
    high: float
    step: float | None = None
    log: bool = False
    when: When | None = field(default=None, kw_only=True, hash=False)

    def to_wire(self) -> dict[str, Any]:
        """Return the parameter as the API describes it, without its name."""
        return {
            "type": "float",
            "low": float(self.low),
            "high": float(self.high),
            **_options(self.step, self.log, self.when),
        }

    def __str__(self) -> str:
        bounds = f"float from {self.low!r} to {self.high!r}"
        return f"{bounds}{_suffix(self.step, self.log, self.when)}"


@dataclass(frozen=True)
class Int:
    """An integer parameter between `low` and `high`, both included; `when` as of `Float`."""

    low: int
    high: int
    step: int = 1
    log: bool = False
    when: When | None = field(default=None, kw_only=True, hash=False)

    def to_wire(self) -> dict[str, Any]:
        """Return the parameter as the API describes it, without its name."""
        step = None if self.step == 1 else self.step
        return {
            "type": "int",
            "low": self.low,
            "high": self.high,
            **_options(step, self.log, self.when),
        }

    def __str__(self) -> str:
        step = None if self.step == 1 else self.step
        return f"int from {self.low} to {self.high}{_suffix(step, self.log, self.when)}"


@dataclass(frozen=True)
class Categorical:
    """One of several choices without an order: texts, numbers or bools; `when` as of `Float`."""

    choices: tuple[Choice, ...]
    when: When | None = field(default=None, kw_only=True, hash=False)

    def __init__(self, choices: Sequence[Choice], *, when: When | None = None) -> None:
        object.__setattr__(self, "choices", tuple(map(_plain, choices)))
        object.__setattr__(self, "when", when)

    def to_wire(self) -> dict[str, Any]:
        """Return the parameter as the API describes it, without its name."""
        return {
            "type": "categorical",
            "choices": list(self.choices),
            **_options(None, False, self.when),
        }

    def __str__(self) -> str:
        return f"categorical of {list(self.choices)!r}{_suffix(None, False, self.when)}"


@dataclass(frozen=True)
class Ordinal:
    """One of several increasing numbers, which samplers see as equally spaced on a scale.

    `when` is as of `Float`.
    """

    values: tuple[int | float, ...]
    when: When | None = field(default=None, kw_only=True, hash=False)

    def __init__(self, values: Sequence[int | float], *, when: When | None = None) -> None:
        object.__setattr__(self, "values", tuple(map(_plain, values)))
        object.__setattr__(self, "when", when)

    def to_wire(self) -> dict[str, Any]:
        """Return the parameter as the API describes it, without its name."""
        return {
            "type": "ordinal",
            "values": list(self.values),
            **_options(None, False, self.when),
        }

    def __str__(self) -> str:
        return f"ordinal of {list(self.values)!r}{_suffix(None, False, self.when)}"


Distribution: TypeAlias = Float | Int | Categorical | Ordinal
SearchSpace: TypeAlias = dict[str, Distribution]


def read_space(parameters: Sequence[Mapping[str, Any]]) -> SearchSpace:
    """Return the search space that the API describes by a list of parameters."""
    return {parameter["name"]: _read_parameter(parameter) for parameter in parameters}


def space_to_wire(space: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the list of parameters for a search space.

    Args:
        space: for each name a `Float`, `Int`, `Categorical` or `Ordinal`, or a distribution of
            Optuna.

    Raises:
        TypeError: a value is neither.
    """
    return [{"name": name, **to_distribution(name, each).to_wire()} for name, each in space.items()]


def to_distribution(name: str, given: Any) -> Distribution:
    """Return a distribution of this module for one of its own or of Optuna's."""
    if isinstance(given, Float | Int | Categorical | Ordinal):
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
        "tuner.Categorical, tuner.Ordinal, or a distribution of Optuna"
    )


def _plain(choice: Any) -> Any:
    """Return a choice, also one that is a scalar of NumPy."""
    return choice.item() if hasattr(choice, "item") else choice


def is_same(one: Distribution, other: Distribution) -> bool:
    """Tell whether two distributions have the same values; 1 and True are different choices.

    Their conditions do not count: an objective that asks for a parameter says nothing of them.
    """
    if type(one) is not type(other):
        return False
    if isinstance(one, Categorical | Ordinal) and isinstance(other, Categorical | Ordinal):
        return _typed(one) == _typed(other)
    return _reachable(one) == _reachable(other)


def is_asked_as(given: Distribution, asked: Distribution) -> bool:
    """Tell whether an objective that asks for a distribution may get values of a given one.

    Optuna knows an ordinal parameter as a categorical one of the same values.
    """
    if isinstance(given, Ordinal) and isinstance(asked, Categorical):
        return _typed(given) == _typed(asked)
    return is_same(given, asked)


def has_value(distribution: Distribution, value: Any) -> bool:
    """Tell whether a distribution has a value; a float may miss a bound by a rounding error."""
    if isinstance(distribution, Categorical | Ordinal):
        is_bool = isinstance(value, bool)
        listed = [each for _, each in _typed(distribution)]
        return any(each == value and isinstance(each, bool) == is_bool for each in listed)
    slack = 1e-9 * (distribution.step or 0)
    return bool(distribution.low - slack <= value <= distribution.high + slack)


def _typed(distribution: Categorical | Ordinal) -> list[tuple[type, Choice]]:
    listed: Sequence[Choice]
    listed = distribution.values if isinstance(distribution, Ordinal) else distribution.choices
    return [(type(each), each) for each in listed]


def _reachable(distribution: Distribution) -> Distribution:
    """Return a distribution with the last value that its steps reach, as Optuna stores it."""
    if isinstance(distribution, Categorical | Ordinal) or distribution.step is None:
        return replace(distribution, when=None)
    bounds = (distribution.low, distribution.high, distribution.step)
    low, high, step = (Decimal(str(bound)) for bound in bounds)
    last = float(low + (high - low) // step * step)
    return Float(float(low), last, float(step), distribution.log)


def _read_parameter(parameter: Mapping[str, Any]) -> Distribution:
    when: When | None = parameter.get("when")
    if parameter["type"] == "categorical":
        return Categorical(parameter["choices"], when=when)
    if parameter["type"] == "ordinal":
        return Ordinal(parameter["values"], when=when)
    log = parameter.get("log") or False
    low, high, step = parameter["low"], parameter["high"], parameter.get("step")
    if parameter["type"] == "int":
        return Int(low, high, step or 1, log, when=when)
    return Float(low, high, step, log, when=when)


def _options(step: float | None, log: bool, when: When | None) -> dict[str, Any]:
    conditions = {
        parent: dict(wanted) if isinstance(wanted, Mapping) else list(map(_plain, wanted))
        for parent, wanted in (when or {}).items()
    }
    return {
        **({} if step is None else {"step": step}),
        **({"log": True} if log else {}),
        **({} if when is None else {"when": conditions}),
    }


def _suffix(step: float | None, log: bool, when: When | None) -> str:
    steps = "" if step is None else f" in steps of {step!r}"
    scale = " on a log scale" if log else ""
    return f"{steps}{scale}" + ("" if when is None else f" when {show_when(when)}")


def show_when(when: When) -> str:
    """Return conditions as a text: `"optimizer" is one of ['sgd'] and "layers" is at least 2`."""
    return " and ".join(f'"{parent}" is {_show(wanted)}' for parent, wanted in when.items())


def _show(wanted: Sequence[Choice] | Mapping[str, float]) -> str:
    if not isinstance(wanted, Mapping):
        return f"one of {list(wanted)!r}"
    words = {"min": "at least", "max": "at most"}
    return " and ".join(f"{words.get(key, key)} {value!r}" for key, value in wanted.items())

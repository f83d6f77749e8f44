"""One parameter of a stock Optuna study, whose distribution may differ between its trials."""

import json
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    IntDistribution,
)

from optuna_bridge.space.search_space import parameter_of
from transfer.optuna_source.oddities import Oddities, Rule
from tuner_project.rest.serializers import MAX_SAFE_INTEGER

Number = int | float


class Unfit(ValueError):
    """A value is not one that the parameter could have."""


@dataclass
class SourceParameter:
    """The description of a parameter in the API's terms, and the conversion of its values.

    `convert` raises `Unfit` for a value of another type; a number may still be out of range.
    """

    description: dict[str, Any]
    convert: Callable[[Any], Any]

    def widen(self, value: Number) -> None:
        """Extend a numeric range to a value."""
        spec = self.description
        step, low = spec.get("step"), spec["low"]
        spec["low"], spec["high"] = min(low, value), max(spec["high"], value)
        spec["log"] = spec["log"] and spec["low"] > 0
        if spec["type"] == "int":
            spec["step"] = math.gcd(step or 1, value - low)
        elif step is not None and not _is_multiple(value - low, step):
            del spec["step"]


def is_finite(value: Number | None) -> bool:
    """Return whether a number is finite; a database may have NULL for NaN."""
    return value is not None and math.isfinite(value)


def source_parameter(
    name: str,
    distributions: Sequence[BaseDistribution],
    values: Callable[[], Iterable[Any]],
    oddities: Oddities,
) -> SourceParameter:
    """Return the parameter that covers all of its distributions.

    Args:
        name: The parameter's name.
        distributions: Its different distributions, in the order of appearance.
        values: Reads the values that trials have, for what no distribution says.
        oddities: Collects what is unusual about it.
    """
    numeric = [each for each in distributions if not isinstance(each, CategoricalDistribution)]
    if not numeric:
        choices = [choice for each in distributions for choice in _choices_of(each)]
        return _categorical(name, choices, len(distributions), oddities)
    if len(numeric) < len(distributions):
        categorical = [each for each in distributions if each not in numeric]
        choices = [choice for each in categorical for choice in _choices_of(each)]
        return _categorical(name, [*choices, *values()], len(distributions), oddities)
    return _numeric(name, numeric, values, oddities)


# Numbers -------------------------------------------------------------------------------------


def _numeric(
    name: str, distributions: list[Any], values: Callable[[], Iterable[Any]], oddities: Oddities
) -> SourceParameter:
    bounds = [bound for each in distributions for bound in (each.low, each.high)]
    finite = [bound for bound in bounds if math.isfinite(bound)]
    if len(finite) < len(bounds):
        oddities.note(Rule.BOUND, f'parameter "{name}" has a bound that is not finite')
        finite += [value for value in values() if is_finite(value)] or [0.0]
    is_int = all(isinstance(each, IntDistribution) for each in distributions)
    convert = _integer if is_int else _real
    if len(distributions) == 1 and len(finite) == len(bounds):
        return SourceParameter(parameter_of(name, distributions[0]), convert)
    low, high = convert(min(finite)), convert(max(finite))
    log = all(each.log for each in distributions) and low > 0
    description: dict[str, Any] = {"type": "int" if is_int else "float", "name": name}
    description |= {"low": low, "high": high, "log": log}
    if (step := _common_step(distributions, low, is_int)) is not None:
        description["step"] = step
    return SourceParameter(description, convert)


def _common_step(distributions: list[Any], low: Number, is_int: bool) -> Number | None:
    """Return the step that reaches all values of the distributions from `low`, if there is one."""
    if is_int:
        distances = [each.low - low for each in distributions]
        return math.gcd(*distances, *(each.step for each in distributions))
    steps = {each.step for each in distributions}
    step: float | None = steps.pop()
    if (
        steps
        or step is None
        or not all(_is_multiple(each.low - low, step) for each in distributions)
    ):
        return None
    return step


def _is_multiple(distance: Number, step: Number) -> bool:
    return math.isclose(distance, round(distance / step) * step, abs_tol=1e-9 * step)


def _real(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Unfit(f"expected a number, not {value!r:.80}")
    return float(value)


def _integer(value: Any) -> int:
    number = _real(value)
    if not number.is_integer():  # nor are NaN and infinities
        raise Unfit(f"expected an integer, not {value!r:.80}")
    return int(value)


# Choices -------------------------------------------------------------------------------------


def _choices_of(distribution: Any) -> Sequence[Any]:
    choices: Sequence[Any] = distribution.choices
    return choices


def _categorical(
    name: str, choices: list[Any], n_distributions: int, oddities: Oddities
) -> SourceParameter:
    by_key: dict[Any, Any] = {}
    for choice in choices:
        by_key.setdefault(_key(choice), choice)
    stored = {key: each if _is_plain(each) else _text(each) for key, each in by_key.items()}
    if not all(map(_is_plain, by_key.values())):
        oddities.note(Rule.CHOICES, f'parameter "{name}" has choices that are no plain values')
    is_confused = len(set(stored.values())) < len(stored)  # 1 equals True; a text its JSON
    if is_confused:
        stored = {key: _text(each) for key, each in by_key.items()}
    if is_confused or (n_distributions == 1 and len(by_key) < len(choices)):
        oddities.note(Rule.REPEATED, f'parameter "{name}" has choices that repeat')
    description = {"type": "categorical", "name": name, "choices": list(stored.values())}

    def convert(value: Any) -> Any:
        try:
            return stored[_key(value)]
        except KeyError:
            raise Unfit(f"expected one of the choices, not {value!r:.80}") from None

    return SourceParameter(description, convert)


def _is_plain(choice: Any) -> bool:
    """Return whether the service can store a choice."""
    if isinstance(choice, int):
        return abs(choice) <= MAX_SAFE_INTEGER
    if isinstance(choice, float):
        return math.isfinite(choice)
    return choice is None or isinstance(choice, str)


def _key(choice: Any) -> Any:
    """Return what identifies a choice: 1 and 1.0 are the same, 1 and True are not."""
    if choice is None or isinstance(choice, bool | str) or not _is_plain(choice):
        return type(choice).__name__, choice if _is_plain(choice) else _text(choice)
    return "number", choice


def _text(choice: Any) -> str:
    return json.dumps(choice, ensure_ascii=False)

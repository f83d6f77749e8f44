"""Random search spaces with conditions, and what their conditions mean, without our code."""

from collections.abc import Mapping, Sequence
from typing import Any

import optuna
from hypothesis import strategies as st

JSON = dict[str, Any]

_KINDS: list[JSON] = [
    {"type": "float", "low": -1.0, "high": 1.0},
    {"type": "float", "low": 1e-5, "high": 1.0, "log": True},
    {"type": "float", "low": 0.0, "high": 1.0, "step": 0.1},
    {"type": "float", "low": 0.5, "high": 0.5},
    {"type": "int", "low": 1, "high": 6},
    {"type": "int", "low": -3, "high": 12, "step": 3},
    {"type": "categorical", "choices": ["a", 1, 2.5, False, None]},
    {"type": "categorical", "choices": [True, False]},
    {"type": "categorical", "choices": ["only"]},
    {"type": "categorical", "choices": [16, 32, 64]},
    {"type": "ordinal", "values": [1, 2, 4.5, 8]},
]
FINITE = [each for each in _KINDS if each["type"] != "float" or "step" in each]
OPTIMIZERS: list[JSON] = [
    {"type": "float", "name": "momentum", "low": 0.0, "high": 0.99,
     "when": {"optimizer": ["sgd", "nesterov"]}},
    {"type": "categorical", "name": "optimizer", "choices": ["adam", "sgd", "nesterov"]},
    {"type": "int", "name": "layers", "low": 1, "high": 4},
    {"type": "int", "name": "width", "low": 8, "high": 64, "step": 8,
     "when": {"layers": {"min": 2}}},
    {"type": "float", "name": "rate", "low": 1e-5, "high": 1.0, "log": True},
    {"type": "categorical", "name": "schedule", "choices": ["step", "cosine"],
     "when": {"optimizer": ["sgd"], "layers": {"min": 2, "max": 3}}},
    {"type": "int", "name": "period", "low": 1, "high": 9, "when": {"schedule": ["step"]}},
]  # fmt: skip


@st.composite
def conditional_spaces(draw: st.DrawFn, *, only_finite: bool = False) -> list[JSON]:
    """Spaces of up to seven parameters, of which some depend on up to two others, in any order."""
    kind = st.sampled_from(FINITE if only_finite else _KINDS)
    kinds: list[JSON] = draw(st.lists(kind, min_size=2, max_size=7))
    parameters: list[JSON] = []
    for index, each_kind in enumerate(kinds):
        parameter = {**each_kind, "name": f"p{index}"}
        if parameters and draw(st.sampled_from([True, True, True, False])):
            parents = draw(st.lists(st.sampled_from(parameters), max_size=2, unique_by=id))
            when = {each["name"]: draw(_wanted(each)) for each in parents}
            if when and not _contradicts(when, parameters):
                parameter["when"] = when
        parameters.append(parameter)
    shuffled: list[JSON] = draw(st.permutations(parameters))
    return shuffled


@st.composite
def _wanted(draw: st.DrawFn, parent: JSON) -> Any:
    values = values_of(parent)
    if values is None:
        middle = (parent["low"] + parent["high"]) / 2
        return draw(st.sampled_from([{"min": middle}, {"max": middle}, {"min": -5, "max": middle}]))
    is_number = all(isinstance(each, int | float) and each is not False for each in values)
    if is_number and True not in values[:1] and draw(st.booleans()):
        return {draw(st.sampled_from(["min", "max"])): draw(st.sampled_from(values))}
    return draw(st.lists(st.sampled_from(values), min_size=1, max_size=3, unique_by=repr))


def _contradicts(when: JSON, parameters: list[JSON]) -> bool:
    """Whether a parent's own conditions are about another parent, which is left out here."""
    by_name = {each["name"]: each for each in parameters}

    def ancestors(name: str) -> set[str]:
        parents = by_name[name].get("when", {})
        return set(parents).union(*map(ancestors, parents))

    seen: set[str] = set()
    for parent in when:
        of_parent = ancestors(parent) | {parent}
        if seen & of_parent:
            return True
        seen |= of_parent
    return False


def values_of(parameter: JSON) -> list[Any] | None:
    """Return the values of a parameter; None if they are infinitely many."""
    match parameter["type"]:
        case "categorical":
            return list(parameter["choices"])
        case "ordinal":
            return list(parameter["values"])
        case "int":
            return list(range(parameter["low"], parameter["high"] + 1, parameter.get("step", 1)))
    if parameter["low"] == parameter["high"]:
        return [parameter["low"]]
    if "step" not in parameter:
        return None
    low, step = parameter["low"], parameter["step"]
    n = round((parameter["high"] - low) / step) + 1
    return [low + index * step for index in range(n)]


def is_active(parameter: JSON, params: Mapping[str, Any], parameters: Sequence[JSON]) -> bool:
    """Return whether a trial with these parameters has this one."""
    by_name = {each["name"]: each for each in parameters}
    for parent, wanted in parameter.get("when", {}).items():
        if not is_active(by_name[parent], params, parameters) or parent not in params:
            return False
        value = params[parent]
        if isinstance(wanted, dict):
            if not wanted.get("min", value) - 1e-9 <= value <= wanted.get("max", value) + 1e-9:
                return False
        elif not any(is_equal(value, each) for each in wanted):
            return False
    return True


def is_equal(one: Any, other: Any) -> bool:
    if isinstance(one, bool) != isinstance(other, bool):
        return False
    if isinstance(one, float) or isinstance(other, float):
        return isinstance(one, int | float) and isinstance(other, int | float) and (
            abs(one - other) < 1e-9
        )  # fmt: skip
    return bool(one == other)


def suggest_as_objective(
    trial: optuna.Trial, parameters: Sequence[JSON], distributions: Mapping[str, Any]
) -> dict[str, Any]:
    """Suggest as an objective does: parents first, and nothing that is not active."""
    params: dict[str, Any] = {}
    left = list(parameters)
    while left:
        names = {each["name"] for each in left}
        ready = next(each for each in left if not names & set(each.get("when", {})))
        left.remove(ready)
        name = ready["name"]
        if is_active(ready, params, parameters):
            params[name] = trial._suggest(name, distributions[name])
    return params

"""The comparison of search spaces, for a study that is created again or cloned."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from optuna_bridge.space.parameter_constraints.parser import canonical
from optuna_bridge.space.search_space import Parameter, distribution_of
from tuner_project.json_values import same_json


def differing_parameters(stored: Sequence[Parameter], given: Sequence[Parameter]) -> Iterator[str]:
    """Yield how the parameters of two spaces differ; nothing for another order or notation."""
    old, new = ({each["name"]: each for each in space} for space in (stored, given))
    for name in old | new:
        what = f'search_space: parameter "{name:.80}"'
        if name not in new:
            yield f"{what} is missing"
        elif name not in old:
            yield f"{what} is not one of the study's"
        elif not _is_same(old[name], new[name]):
            yield f"{what} differs: {', '.join(_differing_keys(old[name], new[name]))}"


def are_same_constraints(
    stored: Iterable[str], given: Iterable[str], names: Collection[str]
) -> bool:
    """Return whether constraints between parameters are the same, in any order and notation.

    Args:
        stored: The constraints of a study.
        given: Others, which may be invalid.
        names: The parameters of the study.
    """
    one, other = ({canonical(text, names) for text in texts} for texts in (stored, given))
    return one == other


def _is_same(one: Parameter, other: Parameter) -> bool:
    """Return whether two parameters are the same; Optuna's distributions equate true and 1."""
    same = one["type"] == other["type"] and distribution_of(one) == distribution_of(other)
    return same and _bool_choices(one) == _bool_choices(other) and _when(one) == _when(other)


def _bool_choices(parameter: Parameter) -> list[bool]:
    return [isinstance(choice, bool) for choice in parameter.get("choices", ())]


def _when(parameter: Parameter) -> Mapping[str, Any]:
    """Return the conditions in a form that is equal for another order or notation of the same."""
    return {
        parent: {key: float(value) for key, value in wanted.items()}
        if isinstance(wanted, Mapping)
        else {(isinstance(value, bool), value) for value in wanted}
        for parent, wanted in parameter.get("when", {}).items()
    }


def _differing_keys(old: Parameter, new: Parameter) -> Iterator[str]:
    for key in ("type", "low", "high", "log", "step", "choices", "values"):
        before, after = old.get(key), new.get(key)
        if not same_json(before or 0, after or 0):  # to leave it out is the same as false
            yield f"{key} is {before!r:.200}, not {after!r:.200}"
    if _when(old) != _when(new):
        yield f"when is {old.get('when')!r:.200}, not {new.get('when')!r:.200}"

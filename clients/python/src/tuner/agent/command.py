"""The command of an agent: a list of arguments with placeholders for the parameters.

| in an argument | becomes |
|---|---|
| `{lr}` | the value of the parameter `lr` |
| `{amp?--amp}`, an argument of its own | `--amp` where `amp` is true; else no argument |
| `{{`, `}}` | `{`, `}` |

An argument with a parameter that the trial does not have, since its conditions do not hold, is left
out; and where it is the placeholder alone, so is the option before it: `--momentum {momentum}`.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tuner.errors import ConfigurationError, SpaceMismatch
from tuner.space import Categorical, Distribution, SearchSpace

_TOKEN = re.compile(r"(?P<brace>\{\{|\}\})|\{(?P<inner>[^{}]+)\}|(?P<stray>[{}])")


@dataclass(frozen=True)
class _Value:
    """A placeholder for the value of a parameter."""

    name: str


@dataclass(frozen=True)
class _Flag:
    """An argument that is there while a parameter is true."""

    name: str
    text: str


_Argument = _Flag | tuple[str | _Value, ...]


class Command:
    """A command that is filled in with the parameters of a trial.

    Args:
        arguments: the program and its arguments.
        space: the search space of the study.

    Raises:
        ConfigurationError: a placeholder does not fit the search space.
    """

    def __init__(self, arguments: Sequence[str], space: SearchSpace) -> None:
        self._arguments = [_parse(argument, space) for argument in arguments]
        self._conditional = {name for name, each in space.items() if each.when is not None}

    def fill_in(self, params: Mapping[str, Any]) -> list[str]:
        """Return the arguments for a trial.

        Raises:
            SpaceMismatch: the trial has no such parameter: the study was created again.
        """
        try:
            return list(self._filled_in(params))
        except KeyError as error:
            raise SpaceMismatch(
                f"the trial has no parameter {error}: the study was created again with another "
                "search space; start the agent again"
            ) from error

    def _filled_in(self, params: Mapping[str, Any]) -> Iterable[str]:
        absent = self._conditional - params.keys()
        following = [*self._arguments[1:], ()]
        for argument, next_one in zip(self._arguments, following, strict=True):
            is_option_of_absent = _is_option(argument) and _is_value_of(next_one, absent)
            if is_option_of_absent or _names(argument) & absent:
                continue
            if not isinstance(argument, _Flag):
                yield "".join(
                    as_argument(params[part.name]) if isinstance(part, _Value) else part
                    for part in argument
                )
            elif params[argument.name]:
                yield argument.text


def _names(argument: _Argument) -> set[str]:
    """Return the parameters whose values an argument has."""
    if isinstance(argument, _Flag):
        return {argument.name}
    return {part.name for part in argument if isinstance(part, _Value)}


def _is_option(argument: _Argument) -> bool:
    """Return whether an argument is the name of an option: `--rate`, without a placeholder."""
    return (
        not isinstance(argument, _Flag)
        and not _names(argument)
        and ("".join(str(part) for part in argument).startswith("-"))
    )


def _is_value_of(argument: _Argument, names: set[str]) -> bool:
    """Return whether an argument is the value of one of these parameters, and nothing else."""
    if isinstance(argument, _Flag) or not _names(argument) & names:
        return False
    return all(isinstance(part, _Value) or not part for part in argument)


def as_argument(value: Any) -> str:
    """Return the value of a parameter as an argument: numbers as `repr`, true and false."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else repr(value)


def _parse(argument: str, space: SearchSpace) -> _Argument:
    whole = _TOKEN.fullmatch(argument)
    if whole is not None and (inner := whole["inner"]) and inner not in space and "?" in inner:
        return _parse_flag(inner, space)
    parts: list[str | _Value] = []
    end = 0
    for token in _TOKEN.finditer(argument):
        parts += [argument[end : token.start()], _parse_token(argument, token, space)]
        end = token.end()
    return (*parts, argument[end:])


def _parse_token(argument: str, token: "re.Match[str]", space: SearchSpace) -> str | _Value:
    if token["brace"]:
        return token["brace"][0]
    name = token["inner"]
    if name is None:
        raise ConfigurationError(
            f'a single "{token["stray"]}" in the argument {argument!r}: write {{{{ and }}}} for '
            "braces"
        )
    if name not in space and "?" in name:
        raise ConfigurationError(
            f'"{{{name}}}" must be an argument of its own, not a part of {argument!r}: it is left '
            "out where the parameter is false"
        )
    _find(name, space)
    return _Value(name)


def _parse_flag(inner: str, space: SearchSpace) -> _Flag:
    name, text = inner.split("?", 1)
    distribution = _find(name, space)
    is_bool = isinstance(distribution, Categorical) and all(
        isinstance(choice, bool) for choice in distribution.choices
    )
    if not is_bool or not text:
        raise ConfigurationError(
            f'"{{{inner}}}": expected {{name?argument}} with a parameter of the choices true and '
            f'false, and "{name}" is {distribution}'
        )
    return _Flag(name, text)


def _find(name: str, space: SearchSpace) -> Distribution:
    if name not in space:
        raise ConfigurationError(
            f'"{{{name}}}" is no parameter of the study: expected one of {", ".join(space)}; '
            "write {{ and }} for braces"
        )
    return space[name]

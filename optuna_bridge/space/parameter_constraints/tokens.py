"""The tokens of a constraint's text: names, numbers, operators and parentheses."""

import math
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass

_TOKEN = re.compile(
    r"""
    (?P<space>\s+)
    | `(?P<quoted>(?:[^`]|``)+)`
    | (?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)
    | (?P<word>[^\W\d]\w*(?:\.[^\W\d]\w*)*)
    | (?P<operator><=|>=|==|!=|\*\*|//|[-+*/<>()])
    """,
    re.VERBOSE,
)
_REFUSED_OPERATORS = ("**", "//")
_REFUSED_WORDS = ("or", "not", "if", "else", "in", "is")
_MAX_SHOWN = 300  # characters
_EXPECTED = "a constraint has names of parameters, numbers, + - * /, comparisons, and"


class InvalidConstraint(ValueError):
    """A text is not a constraint between the parameters of a search space."""


@dataclass(frozen=True)
class Token:
    """A token, of which `name` is a parameter's and `number` a constant's value."""

    text: str
    name: str | None = None
    number: float | None = None


def tokens_of(text: str, names: Collection[str]) -> Iterator[Token]:
    """Yield the tokens of a text, in which only these names may occur.

    Raises:
        InvalidConstraint: There is another character, operator or name.
    """
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise InvalidConstraint(f"unexpected {text[position:][:20]!r}: {_EXPECTED}")
        position = match.end()
        match match.lastgroup:
            case "quoted":
                yield _name(match["quoted"].replace("``", "`"), names)
            case "number":
                yield _number(match["number"])
            case "word" if match["word"] != "and":
                yield _name(match["word"], names)
            case "word" | "operator":
                yield _operator(match[0])


def _name(name: str, names: Collection[str]) -> Token:
    if name in names:
        return Token(f"`{name.replace('`', '``')}`", name=name)
    if name in _REFUSED_WORDS:
        raise InvalidConstraint(f'"{name}" is not supported: {_EXPECTED}')
    known = ", ".join(names)
    shown = known if len(known) <= _MAX_SHOWN else f"{known[:_MAX_SHOWN]}…"
    hint = "a name with other characters than letters, digits, _ and . stands in `backquotes`"
    raise InvalidConstraint(f'unknown parameter "{name:.80}"; the parameters are: {shown} ({hint})')


def _number(text: str) -> Token:
    number = float(text)
    if not math.isfinite(number):
        raise InvalidConstraint(f"{text:.20} is too large for a float")
    return Token(repr(number), number=number)


def _operator(text: str) -> Token:
    if text in _REFUSED_OPERATORS:
        raise InvalidConstraint(f"{text} is not supported: {_EXPECTED}")
    return Token(text)

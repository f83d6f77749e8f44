"""The values of parameters that list them: found by value, and shown in error messages."""

from collections.abc import Hashable, Sequence
from typing import Any

_MAX_SHOWN = 2000  # characters


class ChoiceIndexes:
    """The indexes of choices, found in constant time; 1 equals 1.0, but not true."""

    def __init__(self, choices: Sequence[Any]) -> None:
        self._indexes = {(isinstance(each, bool), each): i for i, each in enumerate(choices)}

    def __contains__(self, value: Any) -> bool:
        return isinstance(value, Hashable) and (isinstance(value, bool), value) in self._indexes

    def __getitem__(self, choice: Any) -> float:
        return self._indexes[isinstance(choice, bool), choice]


def shown(choices: Sequence[Any]) -> str:
    """Return choices for an error message, at most 2,000 characters of them."""
    texts, length = [], 0
    for choice in choices:
        texts.append(f"{choice!r:.2000}")
        length += len(texts[-1]) + 2
        if length >= _MAX_SHOWN:
            break
    return ", ".join(texts)[:_MAX_SHOWN]

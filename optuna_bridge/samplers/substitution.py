"""Functions of Optuna's with some of the functions that they call replaced."""

from types import FunctionType
from typing import Any


def with_parts(function: Any, **parts: Any) -> Any:
    """Return a copy of a function that uses `parts` instead of its module's names."""
    names = function.__globals__ | parts
    copy = FunctionType(
        function.__code__, names, function.__name__, function.__defaults__, function.__closure__
    )
    copy.__kwdefaults__ = function.__kwdefaults__
    return copy

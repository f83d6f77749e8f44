"""Descriptions of the options of samplers and pruners, used for validation and OpenAPI."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True)
class Option:
    """One option: its type, default and bounds (inclusive). A default of None is null.

    `not_auto` says why "auto", which Optuna accepts, is not accepted here.
    """

    type: Literal["int", "float", "bool", "choice"]
    default: int | float | bool | str | None
    help: str
    minimum: int | float | None = None
    maximum: int | float | None = None
    choices: tuple[str, ...] = ()
    not_auto: str = ""

    def fault(self, value: Any) -> str | None:
        """Return an error message if the value is not valid, else None."""
        accepts = {
            "int": lambda: type(value) is int,
            "float": lambda: type(value) in (int, float) and math.isfinite(value),
            "bool": lambda: type(value) is bool,
            "choice": lambda: value in self.choices,
        }
        fits = (
            accepts[self.type]()
            and (self.minimum is None or self.minimum <= value)
            and (self.maximum is None or value <= self.maximum)
        )
        if fits:
            return None
        why = f": {self.not_auto}" if value == "auto" and self.not_auto else ""
        return f"expected {self.expected}, not {value!r:.80}{why}"

    @property
    def expected(self) -> str:
        if self.type == "choice":
            return f"one of {', '.join(self.choices)}"
        name = {"int": "an integer", "float": "a number", "bool": "true or false"}[self.type]
        if self.maximum is None:
            return name if self.minimum is None else f"{name} of at least {self.minimum}"
        return f"{name} from {self.minimum} to {self.maximum}"


@dataclass(frozen=True)
class Kind:
    """A kind of sampler or pruner: how Optuna's object is built, and its options by name.

    `conflicts` takes all options and returns (option, fault) for those that contradict each other.
    """

    build: Callable[..., Any]
    options: Mapping[str, Option]
    conflicts: Callable[[Mapping[str, Any]], list[tuple[str, str]]] = field(
        default=lambda options: []
    )

    def complete(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return all options: the given ones, and defaults for missing and null ones."""
        return {
            name: option.default if given.get(name) is None else given[name]
            for name, option in self.options.items()
        }

    def faults(self, given: Mapping[str, Any]) -> list[tuple[str, str]]:
        """Return (option, fault) for each of the given options that is not valid."""
        known = ", ".join(self.options) or "none"
        found = [
            (name, f"unknown option; the options are: {known}")
            for name in given
            if name not in self.options
        ]
        found += [
            (name, fault)
            for name, option in self.options.items()
            if given.get(name) is not None and (fault := option.fault(given[name]))
        ]
        return found or self.conflicts(self.complete(given))


SEED = Option("int", None, "Makes the suggestions of a sequential study repeatable.", 0, 2**32 - 1)

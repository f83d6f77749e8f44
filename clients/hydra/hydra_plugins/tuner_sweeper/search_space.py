"""Search spaces in the syntax of Hydra's overrides: `lr=tag(log, interval(1e-5, 1e-1))`."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, Quote, QuotedString, Transformer
from hydra.errors import HydraException

from tuner import Categorical, Float, Int, Ordinal

# What is a text in an override although it has no quotes.
WORD = re.compile(r"[A-Za-z_][\w./-]*")
NOT_TEXTS = {"true", "false", "null", "nan", "inf"}


@dataclass(frozen=True)
class Parameter:
    """A parameter that is searched.

    Attributes:
        key: the part of an override before `=`.
        distribution: of the study's search space.
        texts: for each choice what an override has behind `=`; empty for numbers.
    """

    key: str
    distribution: Float | Int | Categorical | Ordinal
    texts: Mapping[Any, str] = field(default_factory=dict)

    def override(self, value: Any) -> str:
        """Return the override that sets a value."""
        return f"{self.key}={self.texts.get(value, value)}"


def read_overrides(lines: Iterable[str], parser: OverridesParser) -> dict[str, Parameter | str]:
    """Return for each name a parameter to search, or an override that fixes it; the last wins."""
    overrides = parser.parse_overrides(list(lines))
    return {
        override.key_or_group: _read_sweep(override)
        if override.is_sweep_override()
        else str(override.input_line)
        for override in overrides
    }


def _read_sweep(override: Override) -> Parameter:
    key, sweep = override.get_key_element(), override.value()
    if override.is_choice_sweep():
        choices = [_read_choice(each) for each in override.sweep_iterator()]
        listed = [choice for choice, _ in choices]
        kind = Ordinal if "ordinal" in sweep.tags else Categorical
        return Parameter(key, kind(listed), dict(choices))
    if unknown := sweep.tags - {"log"}:
        raise HydraException(f"{override.input_line}: expected no tag but log, not {unknown}")
    log = "log" in sweep.tags
    if override.is_interval_sweep():
        low, high, step = sweep.start, sweep.end, None
    else:  # the end of a range is not a part of it
        points = list(override.sweep_iterator())
        low, high, step = min(points), max(points), abs(sweep.step)
    if isinstance(low, int) and isinstance(high, int):
        return Parameter(key, Int(low, high, step or 1, log))
    return Parameter(key, Float(low, high, step, log))


def _read_choice(choice: Any) -> tuple[Any, str]:
    """Return a choice as the service has it, a text where it is a list or a dict, and quoted."""
    if isinstance(choice, QuotedString):
        choice = choice.text
    if not isinstance(choice, str):
        return Transformer.encode(choice), Transformer.str(choice)
    is_word = WORD.fullmatch(choice) and choice.lower() not in NOT_TEXTS
    return choice, choice if is_word else QuotedString(choice, Quote.single).with_quotes()

"""The columns of a list of one study's trials."""

from collections.abc import Callable
from typing import Any

from django.utils.html import format_html

from console import display
from studies.models import Study
from trials.models import Trial

MAX_COLUMNS = 12  # of parameters; a trial's own page has them all


class ParameterColumn:
    """One of the study's parameters, as `list_display` takes it."""

    def __init__(self, index: int, name: str) -> None:
        self.__name__ = f"param_{index}"
        # Markup, so that Django does not write the name with a capital.
        text = display.shortened(name, 30)
        self.short_description = format_html('<span class="tuner-param">{}</span>', text)
        self._index = index
        self._name = name

    def __call__(self, trial: Trial) -> str:
        internal = trial.internal_params[self._index]
        if internal is None:
            return display.EMPTY
        value = trial.study.space.distributions[self._name].to_external_repr(internal)
        return display.number(value) if isinstance(value, float) else self._text(value)

    def _text(self, value: Any) -> str:
        return display.shortened(str(value), 30)


def parameter_columns(study: Study) -> list[Callable[[Trial], str]]:
    """A column for each of the first parameters."""
    names = [parameter["name"] for parameter in study.search_space[:MAX_COLUMNS]]
    return [ParameterColumn(index, name) for index, name in enumerate(names)]


def columns_note(study: Study) -> str:
    """What is to be said of parameters that have no column."""
    n = len(study.search_space)
    return "" if n <= MAX_COLUMNS else f" (the first {MAX_COLUMNS} of {n:,} parameters)"

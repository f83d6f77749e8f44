"""The columns of values and parameters in the list of one study's trials."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

from django.utils.html import format_html
from django.utils.safestring import SafeString

from console import display
from studies.models import Study
from trials.models import Trial

MAX_COLUMNS = 12  # a trial's page shows all parameters
MAX_LENGTH = 30  # characters of a name or value


@dataclass(frozen=True)
class ValuesColumn:
    """The column with the value of each objective, headed by their names, if they have any.

    The columns of all studies are equal, so that one stands for all of them.
    """

    short_description: str = field(default="values", compare=False)
    admin_order_field: ClassVar[str] = "values"
    __name__: ClassVar[str] = "final_values"

    @classmethod
    def of(cls, study: Study) -> "ValuesColumn":
        return cls(heading(", ".join(study.metric_names))) if study.metric_names else cls()

    def __call__(self, trial: Trial) -> str:
        return display.numbers(trial.values)


class ParameterColumn:
    """A column with the values of one parameter, for `list_display`."""

    def __init__(self, index: int, name: str) -> None:
        self.__name__ = f"param_{index}"
        self.short_description = heading(name)
        self._index = index
        self._name = name

    def __call__(self, trial: Trial) -> str:
        internal = trial.internal_params[self._index]
        if internal is None:
            return display.EMPTY
        value: Any = trial.study.space.distributions[self._name].to_external_repr(internal)
        return display.param_value(value, MAX_LENGTH)


def parameter_columns(study: Study) -> list[Callable[[Trial], str]]:
    """Return the columns of the study's first parameters."""
    names = [parameter["name"] for parameter in study.search_space[:MAX_COLUMNS]]
    return [ParameterColumn(index, name) for index, name in enumerate(names)]


def heading(name: str) -> SafeString:
    """Return the heading of a column in markup, because Django would capitalize a plain text."""
    text = display.truncated(name, MAX_LENGTH)
    return format_html('<span class="tuner-param">{}</span>', text)


def columns_note(study: Study) -> str:
    """Return an addition to the list's title if some parameters have no column, else ""."""
    n = len(study.search_space)
    return "" if n <= MAX_COLUMNS else f" (the {display.first_of(MAX_COLUMNS, n)} parameters)"

"""Columns of user attributes, constraints and parameters, chosen in the URL of the list of trials.

`columns=attr:loss&columns=constraint:load` is the choice, so that a view can be shared and saved.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection
from django.db.models import TextField
from django.db.models.expressions import RawSQL
from django.http import HttpRequest

from console import display
from console.trials.parameter_columns import MAX_LENGTH, ParameterColumn, heading
from studies.models import Study
from trials.models import Trial
from trials.models.querysets import TrialQuerySet

COLUMNS = "columns"  # the key in the query
ATTRIBUTE, CONSTRAINT, PARAMETER = "attr", "constraint", "param"
MAX_CHOSEN = 12
MAX_OFFERED = 50  # attributes
_MAX_NAME = 512
_MAX_VALUE = 200  # characters that are read of an attribute
# The attributes of the latest trials: those of all would take seconds in a large study.
_NAMES = """
SELECT DISTINCT key FROM (
    SELECT user_attrs FROM trials_trial WHERE study_id = %s ORDER BY number DESC LIMIT 20
) AS latest, json_object_keys(user_attrs) AS key ORDER BY key LIMIT %s
"""


@dataclass(frozen=True)
class ChosenColumn:
    """A column that the query of the list asks for."""

    kind: str
    name: str

    @property
    def key(self) -> str:
        """The value of the key `columns`."""
        return f"{self.kind}:{self.name}"


class AttributeColumn:
    """A column with the values of a user attribute, for `list_display`."""

    def __init__(self, index: int, name: str) -> None:
        self.__name__ = f"attr_{index}"
        self.short_description = heading(name)

    def __call__(self, trial: Trial) -> str:
        text = getattr(trial, self.__name__)
        return display.EMPTY if text is None else _shown(text)


class ConstraintColumn:
    """A column with the values of a constraint, for `list_display`."""

    def __init__(self, index: int, name: str) -> None:
        self.__name__ = f"constraint_{index}"
        self.short_description = heading(name)
        self._index = index

    def __call__(self, trial: Trial) -> str:
        if trial.constraints is None:
            return display.EMPTY
        return display.number(trial.constraints[self._index])


def chosen_columns(request: HttpRequest, study: Study) -> tuple[list[ChosenColumn], list[str]]:
    """Return the columns in the query that the study can have, and what is wrong with others."""
    known = {
        CONSTRAINT: set(study.constraints),
        PARAMETER: {parameter["name"] for parameter in study.search_space},
    }
    chosen: dict[str, ChosenColumn] = {}
    faults = []
    for text in request.GET.getlist(COLUMNS):
        kind, _, name = text.partition(":")
        is_attribute = kind == ATTRIBUTE and 1 <= len(name) <= _MAX_NAME and "\0" not in name
        if not is_attribute and name not in known.get(kind, ()):
            faults.append(f"there is no column {display.truncated(text, 60)}")
        elif len(chosen) == MAX_CHOSEN:
            faults.append(f"only the first {MAX_CHOSEN} chosen columns are shown")
            break
        else:
            chosen[text] = ChosenColumn(kind, name)
    return list(chosen.values()), faults[:MAX_CHOSEN]


def displayed(study: Study, chosen: Sequence[ChosenColumn]) -> list[Callable[[Trial], str]]:
    """Return the columns for `list_display`."""
    parameters = [parameter["name"] for parameter in study.search_space]
    shown: list[Callable[[Trial], str]] = []
    for index, column in enumerate(chosen):
        match column.kind:
            case "param":
                shown.append(ParameterColumn(parameters.index(column.name), column.name))
            case "constraint":
                shown.append(ConstraintColumn(study.constraints.index(column.name), column.name))
            case _:
                shown.append(AttributeColumn(index, column.name))
    return shown


def with_attributes(trials: TrialQuerySet, chosen: Sequence[ChosenColumn]) -> TrialQuerySet:
    """Read the beginnings of the chosen attributes, which may be long, and no others."""
    sql = f"left((trials_trial.user_attrs -> %s)::text, {_MAX_VALUE})"
    return trials.annotate(
        **{
            f"attr_{index}": RawSQL(sql, (column.name,), output_field=TextField())  # noqa: S611
            for index, column in enumerate(chosen)
            if column.kind == ATTRIBUTE
        }
    )


def attribute_names(study: Study) -> list[str]:
    """Return names of user attributes of the latest trials, in one statement."""
    with connection.cursor() as cursor:
        cursor.execute(_NAMES, [study.pk, MAX_OFFERED])
        return [name for (name,) in cursor.fetchall()]


def _shown(text: str) -> str:
    """Return an attribute's JSON, which may be cut, as it is shown."""
    try:
        value: Any = json.loads(text)
    except ValueError:
        value = text.removeprefix('"')
    if isinstance(value, float):
        return display.number(value)
    return display.truncated(value if isinstance(value, str) else text, MAX_LENGTH)

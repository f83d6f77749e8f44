"""The settings of several studies and their best parameters, side by side."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from studies.domain.definition import as_json
from studies.models import Study
from tuner_project.json_values import same_json

MAX_ROWS = 500
MAX_TEXT = 300  # characters of a value
_DEFINITION = (
    *("sampler", "pruner", "constraints", "parameter_constraints", "duplicates"),
    *("pruning_direction", "repeats", "metric_names"),
)

KINDS = (
    *("definition", "sampler_options", "pruner_options", "search_space"),
    *("budgets", "best_params", "user_attrs"),
)
_ABSENT = object()  # unlike null, which a parameter can have

Settings = dict[tuple[str, str], Any]  # by kind and name


@dataclass(frozen=True)
class Row:
    """A setting of each study.

    Attributes:
        kind: What it belongs to, such as `search_space`.
        name: Its name within the kind.
        values: Its value in each study as JSON, which is cut if it is long; None without one.
        differs: Whether the values are not all the same.
    """

    kind: str
    name: str
    values: list[str | None]
    differs: bool


@dataclass(frozen=True)
class Rows:
    """The rows that are shown, and how many there are."""

    rows: list[Row]
    n_rows: int
    n_differing: int


def side_by_side(
    studies: Sequence[Study],
    best_params: Sequence[Mapping[str, Any] | None],
    *,
    only_differing: bool = True,
) -> Rows:
    """Return the settings of the studies, or only those that differ.

    At most `MAX_ROWS` are returned, of which those that differ have precedence.
    """
    columns = [_settings(study, params) for study, params in zip(studies, best_params, strict=True)]
    rows = list(_rows(columns))
    differing = [row for row in rows if row.differs]
    shown = differing if only_differing else rows
    if len(shown) > MAX_ROWS:
        equal = [row for row in shown if not row.differs][: max(0, MAX_ROWS - len(differing))]
        kept = {(row.kind, row.name) for row in (*differing[:MAX_ROWS], *equal)}
        shown = [row for row in shown if (row.kind, row.name) in kept]
    return Rows(shown, len(rows), len(differing))


def _settings(study: Study, best_params: Mapping[str, Any] | None) -> Settings:
    parts: dict[str, Mapping[str, Any]] = {
        "definition": {name: getattr(study, name) or None for name in _DEFINITION},
        "sampler_options": study.sampler_options,
        "pruner_options": study.pruner_options,
        "search_space": {
            each["name"]: {key: value for key, value in each.items() if key != "name"}
            for each in study.current.parameters
        },
        "budgets": {name: as_json(getattr(study, name)) for name in Study.LIFE},
        "best_params": best_params or {},
        "user_attrs": study.user_attrs,
    }
    return {(kind, name): value for kind, part in parts.items() for name, value in part.items()}


def _rows(columns: Sequence[Settings]) -> Iterator[Row]:
    """Yield a row for each setting that a study has, by kind, in the order of the first study."""
    keys = dict.fromkeys(key for column in columns for key in column)
    for kind, name in sorted(keys, key=lambda key: KINDS.index(key[0])):
        cells = [column.get((kind, name), _ABSENT) for column in columns]
        differs = not all(_is_same(cells[0], cell) for cell in cells[1:])
        yield Row(kind, name, [_text(cell) for cell in cells], differs)


def _is_same(one: Any, other: Any) -> bool:
    if one is _ABSENT or other is _ABSENT:
        return one is other
    return same_json(one, other)


def _text(cell: Any) -> str | None:
    if cell is _ABSENT:
        return None
    text = json.dumps(cell, ensure_ascii=False)
    return text if len(text) <= MAX_TEXT else f"{text[: MAX_TEXT - 1]}…"

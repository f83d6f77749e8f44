"""The definition of a study, as Python has it and as the API takes it."""

from collections.abc import Mapping
from datetime import datetime
from enum import IntEnum
from typing import Any

from tuner.space import space_to_wire


def as_body(definition: Mapping[str, Any]) -> dict[str, Any]:
    """Return the keys of a definition as a body of the API.

    Args:
        definition: keys of the API; beside them `space`, a dict, for `search_space`, and moments as
            `datetime` with a time zone.
    """
    body = {key: _plain(value) for key, value in definition.items()}
    space = body.pop("space", None)
    return body if space is None else {**body, "search_space": space_to_wire(space)}


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, IntEnum):  # a direction, ours or Optuna's
        return value.name.lower()
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value

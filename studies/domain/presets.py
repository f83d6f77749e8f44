"""Predefined search spaces that are shipped with the code."""

import json
from functools import cache
from importlib.resources import files
from typing import Any


@cache
def preset_names() -> list[str]:
    """Return the names of the presets."""
    return list(_document()["presets"])


def preset_search_space(name: str) -> list[dict[str, Any]]:
    """Return the parameters of a preset, in the form of the body of `POST /studies`."""
    document = _document()
    return [
        {"name": parameter, **document["parameters"][parameter]}
        for parameter in document["presets"][name]
    ]


@cache
def _document() -> dict[str, Any]:
    return json.loads((files("studies") / "presets.json").read_text(encoding="utf-8"))

"""The two files by which a program reports intermediate values, and hands over its result."""

import json
import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_log = logging.getLogger("tuner")

SHOWN = 200  # characters of a line in a message
UNREADABLE = (ValueError, TypeError, OverflowError, RecursionError)


class ReportsFile:
    """The file `$TUNER_REPORTS`, to which a program appends a JSON object a line.

    Args:
        path: of the file.
        owner: the name of the trial, for messages.
    """

    def __init__(self, path: Path, owner: str) -> None:
        self._path = path
        self._owner = owner
        self._offset = 0
        self._n_lines = 0

    def read_new(self, *, is_ended: bool = False) -> dict[int, float]:
        """Return the values that were added, by step; a value that is null is NaN.

        A line that does not end yet is left for the next time, unless the program has ended. One
        that is not understood is named in a warning.
        """
        added = self._read_from_offset()
        size = len(added) if is_ended else added.rfind(b"\n") + 1
        self._offset += size
        values: dict[int, float] = {}
        for line in added[:size].removesuffix(b"\n").split(b"\n") if size else ():
            self._n_lines += 1
            try:
                step, value = _read_report(line)
            except UNREADABLE:
                self._warn(line)
            else:
                values[step] = value
        return values

    def _read_from_offset(self) -> bytes:
        try:
            with self._path.open("rb") as file:
                if file.seek(0, 2) < self._offset:  # the program has written it anew
                    self._offset = 0
                file.seek(self._offset)
                return file.read()
        except FileNotFoundError:
            return b""

    def _warn(self, line: bytes) -> None:
        _log.warning(
            '%s: line %d of its reports is ignored: %r: expected {"step": 3, "value": 0.7}',
            self._owner, self._n_lines, line[:SHOWN].decode(errors="replace"),
        )  # fmt: skip


def _read_report(line: bytes) -> tuple[int, float]:
    report = json.loads(line)
    if not isinstance(report, dict) or not report.keys() >= {"step", "value"}:
        raise ValueError("not a report")
    step, value = report["step"], report["value"]
    if type(step) is not int or step < 0:
        raise ValueError("not a step")
    return step, math.nan if value is None else _as_number(value)


@dataclass(frozen=True)
class Result:
    """What a program hands over: the value of the objective, or the values of several."""

    values: float | list[float]
    user_attrs: Mapping[str, Any] = field(default_factory=dict)
    constraints: Mapping[str, float] = field(default_factory=dict)


def read_result(path: Path, metric: float | None) -> Result | None:
    """Return the result that a program has written to `$TUNER_RESULT`; None if there is none.

    Args:
        path: of the file.
        metric: the value that was found in the output, for a file without `values`.

    Raises:
        ValueError: the file is not understood; the message says why.
    """
    text = path.read_bytes().decode(errors="replace").strip() if path.exists() else ""
    if not text:
        return None if metric is None else Result(metric)
    try:
        return _parse_result(text, metric)
    except UNREADABLE as error:
        raise ValueError(
            f"the result that the program wrote is not understood: {text[:SHOWN]!r}: expected "
            '{"values": 0.83}, with a list for several objectives, and, if needed, the objects '
            '"user_attrs" and "constraints"'
        ) from error


def _parse_result(text: str, metric: float | None) -> Result:
    keys = {"values": metric, **json.loads(text)}
    values = keys.pop("values")
    attrs, constraints = keys.pop("user_attrs", {}), keys.pop("constraints", {})
    if not isinstance(attrs, dict) or not isinstance(constraints, dict):
        raise TypeError("not an object")
    if keys:
        _log.warning("unknown keys of a result are ignored: %s", ", ".join(keys))
    return Result(
        [_as_number(each) for each in values] if isinstance(values, list) else _as_number(values),
        attrs,
        {name: _as_number(value) for name, value in constraints.items()},
    )


def _as_number(value: Any) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise TypeError("not a number")
    return float(value)

"""Requests of the API, as values: what is sent, and whether it may be sent twice."""

import json
import math
import operator
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote


@dataclass(frozen=True)
class Request:
    """A request below `/api/v1`.

    Args:
        method: of HTTP.
        path: from `study_path`, so percent-encoded.
        body: a JSON object; None sends none.
        query: the query's keys; those that are None are left out.
        is_repeatable: the service answers a second request as the first, so that it may be sent
            again even if the first may have been carried out.
        is_patient: an evaluation depends on it: it is also repeated after a 500, and after a page
            that a proxy answers in the place of the service.
        lines: the body of an import, JSON Lines; sent as they come.
        text: the body of a log, a text.
    """

    method: str
    path: str
    body: Any = None
    query: Mapping[str, Any] | None = None
    is_repeatable: bool = True
    is_patient: bool = False
    lines: bytes | None = None
    text: str | None = None

    @property
    def content(self) -> bytes | None:
        """The body as it is sent; None sends none."""
        if self.text is not None:
            return self.text.encode(errors="replace")
        return self.lines if self.body is None else encode(self.body)

    @property
    def content_type(self) -> str:
        """The media type of the body."""
        if self.text is not None:
            return "text/plain; charset=utf-8"
        return "application/json" if self.lines is None else "application/x-ndjson"


def study_path(name: str, *rest: str) -> str:
    """Return the path of a study, or of something of it.

    Raises:
        ValueError: no study can have this name.
    """
    if not name or "/" in name or name in {".", ".."}:
        raise ValueError(
            f'"{name}" cannot name a study: expected 1 to 256 characters, without "/", and not '
            '"." or ".."'
        )
    return "/".join(["/studies", quote(name, safe=""), *rest])


def present(**keys: Any) -> dict[str, Any]:
    """Return the keys that have a value: the API takes null as left out, too."""
    return {key: value for key, value in keys.items() if value is not None}


def encode(body: Any) -> bytes:
    """Return a body as JSON; scalars of NumPy and PyTorch are taken as the numbers they hold.

    Raises:
        ValueError: a number is NaN or infinite, which JSON does not have.
        TypeError: a value has no form in JSON.
    """
    return json.dumps(body, default=_plain, allow_nan=False, ensure_ascii=False).encode()


def finite_or_none(value: Any) -> float | None:
    """Return a value as a finite number, or None, which stands for NaN in a report."""
    number = float(value)
    return number if math.isfinite(number) else None


def as_values(values: Any) -> float | list[float]:
    """Return what an objective returned as one number, or as a list of numbers.

    Raises:
        TypeError, ValueError: it is something else.
    """
    if isinstance(values, str | bytes | Mapping):
        raise TypeError(f"{values!r} is not a value: expected a number, or a list of numbers")
    if isinstance(values, Iterable) and getattr(values, "shape", None) != ():
        return [float(value) for value in values]
    return float(values)


def are_finite(values: float | list[float]) -> bool:
    """Tell whether all values are numbers that the API accepts as a result."""
    return all(
        math.isfinite(value) for value in ([values] if isinstance(values, float) else values)
    )


def as_step(step: int | None) -> int:
    """Return the step of a report; also an integer of NumPy.

    Raises:
        TypeError: it is missing, or not an integer.
    """
    if step is None:
        raise TypeError("a report needs the step of its value: report(value, step=epoch)")
    return operator.index(step)


def _plain(value: Any) -> Any:
    if hasattr(value, "item") and getattr(value, "shape", None) == ():
        return value.item()
    raise TypeError(f"{value!r} has no form in JSON: expected texts, numbers, lists and dicts")

"""JSON parsers that reject documents that are ambiguous or cannot be stored."""

import json
import math
import re
from collections import Counter
from collections.abc import Mapping
from typing import IO, Any

from rest_framework.exceptions import ParseError
from rest_framework.parsers import JSONParser

MAX_DEPTH = 64
_SURROGATE = re.compile("[\ud800-\udfff]")


class StrictJSONParser(JSONParser):
    """Parse a UTF-8 JSON object, without repeated keys, huge numbers, NUL or lone surrogates."""

    accepts: tuple[type, ...] = (dict,)
    expected = "a JSON object"

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        body = strict_json(stream.read())
        if not isinstance(body, self.accepts):
            raise ParseError(f"the body must be {self.expected}, not {_kind(body)}")
        return body


class StrictJSONListParser(StrictJSONParser):
    """Parse a JSON object, or an array, under the same rules."""

    accepts = (dict, list)
    expected = "a JSON object, or an array of them"


def strict_json(text: bytes, *, what: str = "the body", max_depth: int = MAX_DEPTH) -> Any:
    """Parse a JSON document.

    Raises:
        ParseError: It is invalid, ambiguous, nested too deeply, or cannot be stored.
    """
    try:
        document = json.loads(
            text.decode("utf-8"),
            parse_constant=_refuse_constant,
            parse_float=_finite_float,
            parse_int=_bounded_int,
            object_pairs_hook=_object_of_unique_keys,
        )
        if _may_break_rules(text, max_depth):
            _check(document, max_depth)
    except RecursionError:
        detail = f"{what} is nested too deeply: at most {max_depth} levels are read"
        raise ParseError(detail) from None
    except ValueError as error:
        raise ParseError(f"{what} is not valid JSON: {error}") from None
    return document


def _refuse_constant(literal: str) -> None:
    raise ParseError(f"{literal} is not a JSON number")


def _finite_float(literal: str) -> float:
    number = float(literal)
    if math.isinf(number):
        raise ParseError(f"the number {literal[:40]} is too large")
    return number


def _bounded_int(literal: str) -> int:
    _finite_float(literal)
    return int(literal)


def _object_of_unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    unique = dict(pairs)
    if len(unique) < len(pairs):
        repeated, _ = Counter(key for key, _ in pairs).most_common(1)[0]
        raise ParseError(f"the key {repeated!r:.80} is repeated in one object")
    return unique


def _may_break_rules(text: bytes, max_depth: int) -> bool:
    """Return whether a valid JSON text has to be checked: most texts show that they need not be.

    UTF-8 has no surrogates, and JSON no NUL, except by an escape.
    """
    return b"\\u" in text or text.count(b"[") + text.count(b"{") > max_depth


def _check(value: Any, levels: int) -> None:
    """Reject text that PostgreSQL cannot store and too deep nesting, anywhere in a document."""
    if levels < 0:
        raise RecursionError
    if isinstance(value, str):
        _check_text(value)
    elif isinstance(value, list):
        for item in value:
            _check(item, levels - 1)
    elif isinstance(value, dict):
        for key, item in value.items():
            _check_text(key)
            _check(item, levels - 1)


def _check_text(text: str) -> None:
    if "\0" in text:
        raise ParseError("text with a NUL character cannot be stored")
    if _SURROGATE.search(text):
        raise ParseError("text with a lone surrogate cannot be stored")


def _kind(value: Any) -> str:
    names = {list: "an array", str: "a text", bool: "a boolean", type(None): "null"}
    return names.get(type(value), "a number")

"""The rules of JSON bodies, against a parser that looks at each value."""

import json
import math
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from rest_framework.exceptions import ParseError

from tuner_project.rest.parsers import strict_json

_TEXTS = st.text(st.characters(codec=None), max_size=5) | st.sampled_from(
    ["\0", "\ud800", "\udfff", "\\u0000", "é", "\U0001f600", "{[", "\\"]
)
_NUMBERS = st.integers() | st.floats() | st.sampled_from([10**400, -(10**309), 2**64])
_DOCUMENTS = st.recursive(
    st.none() | st.booleans() | _NUMBERS | _TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXTS, inner, max_size=3),
    max_leaves=8,
)


class Pairs(list[tuple[str, Any]]):
    """The pairs of an object, also of repeated keys."""


def _values(value: Any, depth: int = 0) -> Iterator[tuple[Any, int]]:
    """Yield every value and key of a document, with the number of levels above it."""
    yield value, depth
    if isinstance(value, list):
        for item in value:
            key, inner = item if isinstance(value, Pairs) else (None, item)
            yield key, depth
            yield from _values(inner, depth + 1)


def _is_allowed(text: bytes, max_depth: int = 64) -> bool:
    try:
        document = json.loads(text.decode(), object_pairs_hook=Pairs)
    except (ValueError, RecursionError):
        return False
    for value, depth in _values(document):
        if depth > max_depth:
            return False
        if isinstance(value, Pairs) and len(dict(value)) < len(value):
            return False
        if isinstance(value, str) and any(c == "\0" or "\ud800" <= c <= "\udfff" for c in value):
            return False
        if isinstance(value, int | float) and not isinstance(value, bool):
            try:
                if not math.isfinite(value):
                    return False
            except OverflowError:
                return False
    return True


def _check_as_the_rules_say(text: bytes) -> None:
    if _is_allowed(text):
        assert strict_json(text) == json.loads(text)
    else:
        with pytest.raises(ParseError):
            strict_json(text)


@given(_DOCUMENTS, st.booleans())
@example({"a": "\0"}, False)
@example(["\ud800"], True)
def test_documents_are_read_as_the_rules_say(document: Any, is_ascii: bool) -> None:
    text = json.dumps(document, ensure_ascii=is_ascii)
    _check_as_the_rules_say(text.encode("utf-8", "surrogatepass"))


@given(_DOCUMENTS, st.integers(0, 100), st.binary(max_size=2))
def test_damaged_documents_are_read_as_the_rules_say(
    document: Any, place: int, inserted: bytes
) -> None:
    text = json.dumps(document).encode()
    place = min(place, len(text))
    _check_as_the_rules_say(text[:place] + inserted + text[place:])


@pytest.mark.parametrize(("opened", "closed"), [("[", "]"), ('{"a":', "}")])
@pytest.mark.parametrize("depth", [1, 63, 64, 65, 66, 100_000])
@pytest.mark.parametrize("inner", ["[]", "1", '"[{"'])
def test_depth_is_limited(opened: str, closed: str, depth: int, inner: str) -> None:
    _check_as_the_rules_say((opened * depth + inner + closed * depth).encode())


def test_keys_are_unique_in_each_object() -> None:
    assert strict_json(b'[{"a": 1}, {"a": {"a": 2}}]') == [{"a": 1}, {"a": {"a": 2}}]
    with pytest.raises(ParseError, match="the key 'a' is repeated in one object"):
        strict_json(b'[{"b": {"a": 1, "c": 2, "a": 3}}]')


def test_large_integers_stay_exact() -> None:
    assert strict_json(b"[9007199254740993, -18446744073709551617]") == [2**53 + 1, -(2**64) - 1]

"""Serializers that look their fields up once do what DRF's do."""

from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rest_framework import serializers

from tuner_project.rest.base_serializers import AnswerSerializer, StrictSerializer
from tuner_project.rest.serializers import StrictCharField, StrictIntegerField


class Inner(AnswerSerializer):
    """An item of a list."""

    text = serializers.CharField(source="name")


class Answer(AnswerSerializer):
    """Fields of each kind: plain, renamed, of another object, nested, computed, optional."""

    number = serializers.IntegerField()
    text = serializers.CharField(allow_null=True)
    share = serializers.FloatField(source="inner.share", allow_null=True)
    flag = serializers.BooleanField()
    word = serializers.ChoiceField(choices=["a", "b"])
    items = serializers.ListField(child=serializers.FloatField(allow_null=True))
    named = serializers.DictField(allow_null=True)
    inners = Inner(many=True)
    optional = serializers.IntegerField(required=False)
    filled = serializers.IntegerField(default=7)
    length = serializers.SerializerMethodField()
    secret = serializers.CharField(write_only=True)

    def get_length(self, answer: Any) -> int:
        return len(answer.inners)


_OBJECTS = st.builds(
    lambda optional, **more: SimpleNamespace(**more, **optional),
    number=st.integers() | st.booleans(),
    text=st.none() | st.text() | st.integers(),
    inner=st.builds(SimpleNamespace, share=st.none() | st.integers() | st.floats(allow_nan=False)),
    flag=st.booleans(),
    word=st.sampled_from(["a", "b", "c"]),
    items=st.lists(st.none() | st.integers(-5, 5)),
    named=st.none() | st.dictionaries(st.text(), st.integers() | st.none()),
    inners=st.lists(st.builds(SimpleNamespace, name=st.text())),
    optional=st.dictionaries(st.sampled_from(["optional", "filled"]), st.none() | st.integers()),
)
_ANSWER = Answer()


@given(_OBJECTS)
def test_answer_equals_that_of_drf(shown: Any) -> None:
    found = _ANSWER.to_representation(shown)
    expected = serializers.Serializer.to_representation(_ANSWER, shown)
    assert list(found.items()) == list(expected.items())
    assert [type(value) for value in found.values()] == [type(v) for v in expected.values()]


@given(_OBJECTS)
def test_mapping_is_shown_like_an_object(shown: Any) -> None:
    inner = Inner()
    for each in shown.inners:
        assert inner.to_representation(vars(each)) == inner.to_representation(each)


class Body(StrictSerializer):
    """Keys of each kind: required or not, with or without null, a default, a check."""

    needed = StrictIntegerField()
    null = StrictIntegerField(allow_null=True)
    optional = StrictCharField(required=False, max_length=3)
    either = StrictIntegerField(required=False, allow_null=True)
    filled = StrictIntegerField(default=7)
    even = StrictIntegerField(required=False, min_value=0)
    shown = StrictIntegerField(read_only=True)

    def validate_even(self, even: int) -> int:
        if even % 2:
            raise serializers.ValidationError("expected an even number")
        return even // 2


_BODY = Body()
_KEYS = ["needed", "null", "optional", "either", "filled", "even"]
_VALUES = st.none() | st.integers(-3, 9) | st.sampled_from(["", "abc", "abcd"])


def _outcome(validate: Any, body: Any) -> Any:
    try:
        return list(validate(body).items())
    except serializers.ValidationError as error:
        return error.detail


@given(
    st.dictionaries(
        st.sampled_from(_KEYS),
        st.none() | st.integers(-3, 9) | st.sampled_from(["", "abc", "abcd"]),
    )
)
def test_body_is_validated_as_by_drf(body: dict[str, Any]) -> None:
    def by_drf(given_body: dict[str, Any]) -> Any:
        optional = ("optional", "filled", "even")  # null counts as absent
        kept = {k: v for k, v in given_body.items() if v is not None or k not in optional}
        return serializers.Serializer.to_internal_value(_BODY, kept)

    assert _outcome(_BODY.run_validation, body) == _outcome(by_drf, body)


@pytest.mark.parametrize("key", ["other", "shown"])
def test_unknown_and_read_only_keys_are_refused(key: str) -> None:
    text = f"unknown key; expected {', '.join(_KEYS)}"
    assert _outcome(_BODY.run_validation, {"needed": 1, "null": 1, key: 1}) == {key: [text]}

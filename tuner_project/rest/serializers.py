"""Strict serializers and fields: no type coercion, no unknown keys."""

import json
import math
import re
from copy import deepcopy
from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from rest_framework import serializers

from tuner_project import extensions
from tuner_project.json_values import JSON_NUMBER
from tuner_project.rest.base_serializers import StrictSerializer

MAX_SAFE_INTEGER = 2**53  # larger JSON integers are not exact in most languages


class StrictCharField(serializers.CharField):
    """A JSON string, without trimming of whitespace."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(trim_whitespace=False, **kwargs)

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            raise serializers.ValidationError(f"expected a text, not {data!r:.80}")
        return data


class StrictFloatField(serializers.FloatField):
    """A finite JSON number."""

    def to_internal_value(self, data: Any) -> float:
        if isinstance(data, bool) or not isinstance(data, int | float):
            raise serializers.ValidationError(f"expected a number, not {data!r:.80}")
        if not math.isfinite(data):
            raise serializers.ValidationError("expected a finite number")
        return float(data)


class StrictIntegerField(serializers.IntegerField):
    """A JSON number without a fraction, by default from -2^53 to 2^53."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("min_value", -MAX_SAFE_INTEGER)
        kwargs.setdefault("max_value", MAX_SAFE_INTEGER)
        super().__init__(**kwargs)

    def to_internal_value(self, data: Any) -> int:
        if isinstance(data, bool) or not isinstance(data, int):
            raise serializers.ValidationError(f"expected an integer, not {data!r:.80}")
        return data


class StrictBooleanField(serializers.BooleanField):
    """A JSON true or false."""

    def to_internal_value(self, data: Any) -> bool:
        if not isinstance(data, bool):
            raise serializers.ValidationError(f"expected true or false, not {data!r:.80}")
        return data


class QueryIntegerField(serializers.IntegerField):
    """A decimal integer in a query string."""

    def to_internal_value(self, data: Any) -> int:
        if not re.fullmatch(r"-?[0-9]{1,15}", str(data)):
            raise serializers.ValidationError(f"expected an integer, not {data!r:.80}")
        return int(data)


class QueryFloatField(serializers.FloatField):
    """A finite number in a query string, as JSON writes it."""

    def to_internal_value(self, data: Any) -> float:
        if not re.fullmatch(JSON_NUMBER, str(data)):
            raise serializers.ValidationError(f"expected a number, not {data!r:.80}")
        number = float(data)
        if not math.isfinite(number):
            raise serializers.ValidationError("expected a finite number")
        return number


class QueryBooleanField(serializers.BooleanField):
    """true or false in a query string."""

    def to_internal_value(self, data: Any) -> bool:
        if data not in ("true", "false"):
            raise serializers.ValidationError(f"expected true or false, not {data!r:.80}")
        return bool(data == "true")


class UTCDateTimeField(serializers.DateTimeField):
    """ISO 8601 in UTC, with offset."""

    def to_representation(self, value: datetime) -> str:
        return value.astimezone(UTC).isoformat()


class StrictDateTimeField(UTCDateTimeField):
    """An ISO 8601 date and time with its offset from UTC."""

    def to_internal_value(self, data: Any) -> datetime:
        expected = f"expected a moment such as 2030-01-31T12:00:00+00:00, not {data!r:.80}"
        try:
            moment = datetime.fromisoformat(data)
            if moment.tzinfo is not None:
                return moment.astimezone(UTC)
        except (TypeError, ValueError, OverflowError):
            raise serializers.ValidationError(expected) from None
        raise serializers.ValidationError(f"{expected}: the offset is missing")


class TextOrNullField(serializers.CharField):
    """A string in a response, or null if it is empty."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(allow_null=True, **kwargs)

    def to_representation(self, value: Any) -> Any:
        return value or None


class ReasonField(StrictCharField):
    """The client's reason for an action, as free text."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"required": False, "max_length": 10_000} | kwargs)


class AttributesField(serializers.DictField):
    """A mapping of names to JSON values; names have at most 512 characters, as in Optuna."""

    MAX_KEY = 512

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(child=serializers.JSONField(), **kwargs)

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        if not isinstance(data, dict):
            raise serializers.ValidationError(f"expected an object, not {data!r:.80}")
        long = [key for key in data if len(key) > self.MAX_KEY]
        if long:
            text = f"an attribute's name has at most {self.MAX_KEY} characters"
            raise serializers.ValidationError({key: [text] for key in long})
        return data


class UserAttributesField(AttributesField):
    """Attributes from a client, together at most MAX_ATTRIBUTE_BYTES as JSON."""

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        attributes = super().to_internal_value(data)
        most: int = settings.MAX_ATTRIBUTE_BYTES
        if attributes and most:
            size = len(json.dumps(attributes, ensure_ascii=False).encode())
            if size > most:
                text = f"has {size} bytes as JSON; at most {most} are allowed"
                raise serializers.ValidationError(text)
        return attributes


class EmptySerializer(StrictSerializer):
    """A body without keys."""


def page_limit(default: int) -> QueryIntegerField:
    """Return the query field `limit` of a list."""
    return QueryIntegerField(
        default=default, min_value=1, max_value=1000, help_text="The maximum number of items."
    )


class PageQuerySerializer(StrictSerializer):
    """The page of a list."""

    limit = page_limit(default=100)
    offset = QueryIntegerField(
        default=0, min_value=0, max_value=2**31 - 1, help_text="The number of items to skip."
    )


class LongPageQuerySerializer(PageQuerySerializer):
    """The page of a list that is usually short enough to be returned as a whole."""

    limit = page_limit(default=1000)


class ProblemDetailSerializer(serializers.Serializer[Any]):
    """One error of a problem document."""

    pointer = serializers.CharField(help_text="JSON pointer into the request's body.")
    detail = serializers.CharField()


class ProblemSerializer(serializers.Serializer[Any]):
    """An RFC 9457 problem document."""

    type = serializers.CharField()
    title = serializers.CharField()
    status = serializers.IntegerField()
    detail = serializers.CharField(help_text="One sentence for people.")
    code = serializers.CharField(help_text="A stable code for programs.")
    # The name shadows DRF's property `errors`, which is used only for input.
    errors = ProblemDetailSerializer(many=True, required=False)  # type: ignore[assignment]
    request_id = serializers.CharField(
        required=False,
        help_text="For a failure of the service: the id of the request in the service's log.",
    )
    more_errors = serializers.IntegerField(
        required=False, help_text="The number of further errors, which are not listed."
    )

    def get_fields(self) -> dict[str, Any]:
        """Return the members of every problem document, and those that the apps registered."""
        return super().get_fields() | deepcopy(extensions.PROBLEM_MEMBERS)

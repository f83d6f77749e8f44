"""The wire's shapes of studies."""

import unicodedata
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from studies.domain import Definition
from studies.models import Direction
from studies.option_serializers import options_schema
from studies.parameter_serializers import ParameterField
from studies.pruners import PRUNERS
from studies.samplers import SAMPLERS
from tuner_project.rest.numbers import finite
from tuner_project.rest.serializers import (
    AttributesField,
    PageQuerySerializer,
    StrictBooleanField,
    StrictCharField,
    StrictSerializer,
    UTCDateTimeField,
    page_limit,
)

MAX_NAME = 256
MAX_PARAMETERS = 1000
MAX_OBJECTIVES = 10

_DIRECTION = {"type": "string", "enum": Direction.values}
_NUMBER_OR_LIST = {
    "oneOf": [
        {"type": "number"},
        {"type": "array", "items": {"type": "number", "nullable": True}},
    ],
    "nullable": True,
}


class NameField(StrictCharField):
    """A study's name: printable, and able to stand in a path."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=MAX_NAME, **kwargs)

    def to_internal_value(self, data: Any) -> str:
        name = super().to_internal_value(data)
        if "/" in name or name in (".", ".."):
            raise serializers.ValidationError('a name has no "/", and is not "." or ".."')
        unprintable = {"Cc", "Cn", "Cs", "Zl", "Zp"}  # controls, unassigned, line ends
        if any(unicodedata.category(character) in unprintable for character in name):
            raise serializers.ValidationError("a name consists of printable characters")
        return name


@extend_schema_field(
    {
        "oneOf": [
            _DIRECTION,
            {"type": "array", "items": _DIRECTION, "minItems": 1, "maxItems": MAX_OBJECTIVES},
        ]
    }
)
class DirectionField(serializers.Field[Any, Any, Any, Any]):
    """One direction, or a list of them for several objectives."""

    def to_internal_value(self, data: Any) -> str | list[str]:
        words = data if isinstance(data, list) else [data]
        if not 1 <= len(words) <= MAX_OBJECTIVES:
            raise serializers.ValidationError(f"expected 1 to {MAX_OBJECTIVES} directions")
        for word in words:
            if not isinstance(word, str) or word not in Direction.values:
                raise serializers.ValidationError(
                    f"expected minimize or maximize, not {word!r:.80}"
                )
        return data

    def to_representation(self, value: Any) -> Any:
        return value


@extend_schema_field(options_schema("sampler", SAMPLERS))
class SamplerOptionsField(AttributesField):
    """Options of the sampler; the domain knows which there are."""


@extend_schema_field(options_schema("pruner", PRUNERS))
class PrunerOptionsField(AttributesField):
    """Options of the pruner; the domain knows which there are."""


class CreateStudySerializer(StrictSerializer):
    """A study as it is wanted."""

    name = NameField()
    search_space = serializers.ListField(
        child=ParameterField(), min_length=1, max_length=MAX_PARAMETERS
    )
    direction = DirectionField(
        required=False, help_text="One word, or a list for several objectives; maximize."
    )
    sampler = serializers.ChoiceField(choices=list(SAMPLERS), required=False)
    sampler_options = SamplerOptionsField(required=False)
    pruner = serializers.ChoiceField(choices=list(PRUNERS), required=False)
    pruner_options = PrunerOptionsField(required=False)
    user_attrs = AttributesField(required=False)
    load_if_exists = StrictBooleanField(
        required=False, help_text="Answer an existing study that agrees; true."
    )

    def validate_search_space(self, parameters: list[dict[str, Any]]) -> list[dict[str, Any]]:
        names: set[str] = set()
        for parameter in parameters:
            if parameter["name"] in names:
                raise serializers.ValidationError(
                    f"two parameters are named {parameter['name']!r}; names are unique"
                )
            names.add(parameter["name"])
        return parameters

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        load_if_exists = attrs.pop("load_if_exists", True)
        return {"definition": Definition(**attrs), "load_if_exists": load_if_exists}


class TrialCountsSerializer(serializers.Serializer[Any]):
    """How many trials are in each state."""

    WAITING = serializers.IntegerField()
    RUNNING = serializers.IntegerField()
    COMPLETE = serializers.IntegerField()
    PRUNED = serializers.IntegerField()
    FAIL = serializers.IntegerField()


@extend_schema_field(_NUMBER_OR_LIST)
class ValueField(serializers.Field[Any, Any, Any, Any]):
    """A number for one objective, a list for several; never NaN or Infinity."""

    def to_representation(self, value: Any) -> Any:
        return [finite(each) for each in value] if isinstance(value, list) else finite(value)


class StudySummarySerializer(serializers.Serializer[Any]):
    """A study in a list."""

    study_id = serializers.IntegerField(source="id")
    study_name = serializers.CharField(source="name")
    direction = DirectionField()
    sampler = serializers.ChoiceField(choices=list(SAMPLERS))
    sampler_options = SamplerOptionsField()
    pruner = serializers.ChoiceField(choices=list(PRUNERS))
    pruner_options = PrunerOptionsField()
    n_trials = serializers.IntegerField()
    trial_counts = TrialCountsSerializer()
    best_value = ValueField(allow_null=True)
    datetime_start = UTCDateTimeField(source="created_at", allow_null=True)


class StudySerializer(StudySummarySerializer):
    """A study."""

    best_params = serializers.DictField(allow_null=True)
    user_attrs = serializers.DictField()
    search_space = serializers.ListField(child=ParameterField())


class StudyPageSerializer(PageQuerySerializer):
    limit = page_limit(default=1000)

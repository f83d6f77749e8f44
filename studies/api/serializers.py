"""Studies in request and response bodies."""

import unicodedata
from typing import Any

from django.conf import settings
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from optuna_bridge.enums import Direction
from optuna_bridge.pruners import PRUNERS
from optuna_bridge.samplers.registry import SAMPLERS
from studies.api.option_serializers import options_schema
from studies.api.parameter_serializers import ParameterField
from studies.domain import Definition
from studies.enums import Duplicates, StudyState
from studies.models import Study
from tuner_project.rest.numbers import finite
from tuner_project.rest.serializers import (
    AttributesField,
    ReasonField,
    StrictBooleanField,
    StrictCharField,
    StrictDateTimeField,
    StrictFloatField,
    StrictIntegerField,
    StrictSerializer,
    TextOrNullField,
    UserAttributesField,
    UTCDateTimeField,
)

MAX_NAME = 256
MAX_PARAMETERS = 1000
MAX_OBJECTIVES = 10
MAX_CONSTRAINTS = 100
MAX_COUNT = 2**31 - 1

_DIRECTION = {"type": "string", "enum": Direction.values}
_NUMBER_OR_LIST = {
    "oneOf": [
        {"type": "number"},
        {"type": "array", "items": {"type": "number", "nullable": True}},
    ],
    "nullable": True,
}


class NameField(StrictCharField):
    """A study's name: printable, and usable as a segment of a path."""

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


@extend_schema_field(
    {
        "type": "number",
        "minimum": 0,
        "exclusiveMinimum": True,
        "maximum": settings.MAX_LEASE_SECONDS,
        "nullable": True,
    }
)
class LeaseSecondsField(StrictFloatField):
    """The length of a lease in seconds; null means that it never expires."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(required=False, allow_null=True, **kwargs)

    def to_internal_value(self, data: Any) -> float:
        seconds = super().to_internal_value(data)
        if not 0 < seconds <= settings.MAX_LEASE_SECONDS:
            raise serializers.ValidationError(
                f"expected seconds above 0, at most {settings.MAX_LEASE_SECONDS}, not {seconds:g}"
            )
        return seconds


@extend_schema_field(options_schema("sampler", SAMPLERS))
class SamplerOptionsField(AttributesField):
    """Options of the sampler; the domain checks them."""


@extend_schema_field(options_schema("pruner", PRUNERS))
class PrunerOptionsField(AttributesField):
    """Options of the pruner; the domain checks them."""


def _positive_integer(what: str) -> StrictIntegerField:
    return StrictIntegerField(
        required=False, allow_null=True, min_value=1, max_value=MAX_COUNT, help_text=what
    )


class LifeSerializer(StrictSerializer):
    """Budgets, retries and leases of a study."""

    max_trials = _positive_integer(
        "The maximum number of trials. WAITING, RUNNING, COMPLETE and PRUNED trials count; FAIL "
        "trials do not."
    )
    max_concurrent = _positive_integer("The maximum number of trials that are RUNNING at a time.")
    max_failures = _positive_integer(
        "The number of failed trials without a retry that completes the study."
    )
    target_value = StrictFloatField(
        required=False,
        allow_null=True,
        help_text="For one objective: a value as good as this completes the study.",
    )
    deadline = StrictDateTimeField(
        required=False,
        allow_null=True,
        help_text="The time at which the study is completed: no trial is handed out after it.",
    )
    lease_seconds = LeaseSecondsField(
        help_text="Seconds that a running trial may go without a report or heartbeat; null: the "
        "lease never expires. Default at creation: the service's setting DEFAULT_LEASE_SECONDS."
    )
    max_retries = StrictIntegerField(
        required=False,
        min_value=0,
        max_value=1000,
        help_text="How often a trial that lost its lease, or failed with `retry`, is queued again. "
        "Default: 0.",
    )


class ChangeStudySerializer(LifeSerializer):
    """Changes of a study; null removes a budget, or the expiry of leases."""

    user_attrs = UserAttributesField(required=False, help_text="Replaces all user attributes.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        return {"changes": attrs}


class DefinitionSerializer(LifeSerializer):
    """A study's definition, without its name."""

    search_space = serializers.ListField(
        child=ParameterField(), min_length=1, max_length=MAX_PARAMETERS
    )
    direction = DirectionField(
        required=False,
        help_text="One direction, or a list with one for each objective. Default: maximize.",
    )
    sampler = serializers.ChoiceField(choices=list(SAMPLERS), required=False)
    sampler_options = SamplerOptionsField(required=False)
    pruner = serializers.ChoiceField(choices=list(PRUNERS), required=False)
    pruner_options = PrunerOptionsField(required=False)
    user_attrs: AttributesField = UserAttributesField(required=False)
    constraints = serializers.ListField(
        child=StrictCharField(max_length=MAX_NAME),
        required=False,
        max_length=MAX_CONSTRAINTS,
        help_text="Names of the constraints. Each result has one number for each; a constraint "
        "is satisfied if its number is at most 0.",
    )
    duplicates = serializers.ChoiceField(
        choices=Duplicates.choices,
        required=False,
        help_text="Whether trials may repeat points. With `avoid`, if a finished, running or "
        "queued trial has the suggested point, the sampler draws again, a few times; if all draws "
        "repeat points, and the space has at most 100,000 points, an unused one is chosen. "
        "Default: allow.",
    )
    pruning_direction = serializers.ChoiceField(
        choices=Direction.choices,
        required=False,
        help_text="For several objectives: the direction of the intermediate values, by which the "
        "pruner decides.",
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

    def validate_constraints(self, names: list[str]) -> list[str]:
        if len(set(names)) < len(names):
            raise serializers.ValidationError(
                "two constraints have the same name; names are unique"
            )
        return names


class CreateStudySerializer(DefinitionSerializer):
    """The definition of a study to create."""

    name = NameField()
    load_if_exists = StrictBooleanField(
        required=False, help_text="Load an existing study if its definition agrees. Default: true."
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        load_if_exists = attrs.pop("load_if_exists", True)
        given = {name: attrs.pop(name) for name in Study.LIFE if name in attrs}
        # Null means "left out" for a budget; only for the lease it is a value.
        life = {k: value for k, value in given.items() if value is not None or k == "lease_seconds"}
        definition = Definition(**attrs, life=life)
        return {"definition": definition, "load_if_exists": load_if_exists}


class TransitionSerializer(StrictSerializer):
    """The reason of a change of state."""

    reason = ReasonField()


class TrialCountsSerializer(serializers.Serializer[Any]):
    """The number of trials in each state."""

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


class StateChangeSerializer(serializers.Serializer[Any]):
    """A change of a study's state."""

    state = serializers.ChoiceField(choices=StudyState.choices)
    reason = serializers.CharField(allow_null=True)
    datetime = serializers.DateTimeField()

    def to_representation(self, change: Any) -> Any:
        return change  # stored in the form of the response


class StudySummarySerializer(serializers.Serializer[Any]):
    """A study, as lists show it."""

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
    state = serializers.ChoiceField(choices=StudyState.choices)
    state_reason = TextOrNullField(
        help_text="The reason for the state: the client's, or the budget that is used up."
    )
    state_history = StateChangeSerializer(many=True)
    max_trials = serializers.IntegerField(allow_null=True)
    max_concurrent = serializers.IntegerField(allow_null=True)
    max_failures = serializers.IntegerField(allow_null=True)
    target_value = serializers.FloatField(allow_null=True)
    deadline = UTCDateTimeField(allow_null=True)
    lease_seconds = serializers.FloatField(allow_null=True)
    max_retries = serializers.IntegerField()
    constraints = serializers.ListField(child=serializers.CharField())
    duplicates = serializers.ChoiceField(choices=Duplicates.choices)
    pruning_direction = TextOrNullField()


class StudySerializer(StudySummarySerializer):
    """A study."""

    best_params = serializers.DictField(allow_null=True)
    user_attrs = serializers.DictField()
    search_space = serializers.ListField(child=ParameterField())

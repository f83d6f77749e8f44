"""Query parameters of the analyses."""

import json
from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from analysis.comparison import MAX_STUDIES, MIN_STUDIES
from analysis.importance import FRONT, METHODS, OBJECTIVE
from analysis.plots.rendering import FORMATS
from studies.api.definition.fields import MAX_NAME
from tuner_project.rest.serializers import (
    QueryFloatField,
    QueryIntegerField,
    StrictCharField,
    StrictSerializer,
)

MAX_POINTS = 3000


@extend_schema_field(OpenApiTypes.STR)
class ReferencePointField(serializers.Field[Any, Any, Any, Any]):
    """Numbers separated by commas, one for each objective."""

    def to_internal_value(self, data: Any) -> list[float]:
        try:
            return [QueryFloatField().run_validation(number) for number in data.split(",")]
        except serializers.ValidationError:
            raise serializers.ValidationError(
                f"expected a number for each objective, such as 1.5,20, not {data!r:.80}"
            ) from None


@extend_schema_field(OpenApiTypes.STR)
class ParameterNamesField(serializers.Field[Any, Any, Any, Any]):
    """A JSON array of parameters' names."""

    def to_internal_value(self, data: Any) -> list[str]:
        try:
            names = json.loads(data)
        except (ValueError, RecursionError):
            names = None
        is_names = isinstance(names, list) and all(isinstance(name, str) for name in names)
        if not is_names or not names or len(set(names)) < len(names):
            raise serializers.ValidationError(
                f'expected a JSON array of parameters, such as ["x", "y"], not {data!r:.80}'
            )
        return names


@extend_schema_field({"type": "array", "items": {"type": "string"}})
class StudyNamesField(serializers.Field[Any, Any, Any, Any]):
    """The names of studies: the key once, with commas between them, or once for each name."""

    def to_internal_value(self, data: Any) -> list[str]:
        names = data[0].split(",") if len(data) == 1 else data
        expected = f"expected {MIN_STUDIES} to {MAX_STUDIES} names of studies"
        if not MIN_STUDIES <= len(names) <= MAX_STUDIES:
            hint = " (for a name with a comma, repeat the key: names=a&names=b,c)"
            raise serializers.ValidationError(f"{expected}, not {len(names)}{hint}")
        if len(set(names)) < len(names):
            raise serializers.ValidationError(f"{expected}, each once")
        for name in names:
            StrictCharField(max_length=MAX_NAME).run_validation(name)
        return list(names)


class ComparisonQuerySerializer(StrictSerializer):
    """Query of the comparison of studies."""

    names = StudyNamesField(
        required=False,
        help_text="2 to 8 names of studies: separated by commas, or, which any names allow, the "
        "key repeated for each name.",
    )
    target = QueryFloatField(
        required=False,
        help_text="The value that the studies are to reach. Default: the worst of their best "
        "values, which all have reached.",
    )
    target_idx = QueryIntegerField(
        required=False,
        help_text="The objective's index, from 0. Default: of several objectives, the hypervolume.",
    )
    reference_point = ReferencePointField(
        required=False,
        help_text="For the hypervolume: a number for each objective, such as 1.5,20; values worse "
        "than these add nothing. Default: the worst value of each objective in all studies.",
    )
    rows = serializers.ChoiceField(
        choices=["differing", "all"],
        default="differing",
        help_text="Whether `settings` has only the rows that differ.",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        others = attrs.keys() - {"names", "rows"}
        if "names" not in attrs and others:
            raise serializers.ValidationError({"names": ["expected the names of 2 to 8 studies"]})
        return attrs


class ObjectiveQuerySerializer(StrictSerializer):
    """The objective that an analysis is about."""

    target_idx = QueryIntegerField(default=0, help_text="The objective's index, from 0.")


class HistoryQuerySerializer(ObjectiveQuerySerializer):
    """Query of the optimisation history."""

    limit = QueryIntegerField(
        default=1000,
        min_value=2,
        max_value=MAX_POINTS,
        help_text="The maximum number of trials to return.",
    )


class ImportanceQuerySerializer(ObjectiveQuerySerializer):
    """Query of the parameter importance."""

    target = serializers.ChoiceField(
        choices=[OBJECTIVE, FRONT],
        default=OBJECTIVE,
        help_text="Importance for the objective of target_idx, or for being near the Pareto front.",
    )
    method = serializers.ChoiceField(
        choices=list(METHODS),
        required=False,
        help_text="Default: fanova, or mean_decrease_impurity if fanova cannot be computed.",
    )


class HypervolumeQuerySerializer(StrictSerializer):
    """Query of the hypervolume."""

    reference_point = ReferencePointField(
        required=False,
        help_text="A number for each objective, such as 1.5,20; values worse than these add "
        "nothing. Default: the worst value of each objective.",
    )


class PlotQuerySerializer(ImportanceQuerySerializer, HypervolumeQuerySerializer):
    """Query of a plot."""

    params = ParameterNamesField(
        required=False,
        help_text='The parameters to draw, as a JSON array such as ["x", "y"]. '
        "Default: the first parameters of the search space.",
    )
    format = serializers.ChoiceField(
        choices=list(FORMATS),
        required=False,
        help_text="Defaults to what the Accept header asks for, else `json`.",
    )

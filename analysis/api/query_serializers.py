"""Query parameters of the analyses."""

import json
from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from analysis.importance import FRONT, METHODS, OBJECTIVE
from analysis.plots.rendering import FORMATS
from tuner_project.rest.serializers import QueryFloatField, QueryIntegerField, StrictSerializer

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

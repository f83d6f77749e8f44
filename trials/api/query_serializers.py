"""Query parameters of the list of trials."""

from collections.abc import Mapping
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.exceptions import ParseError

from optuna_bridge.enums import TrialState
from trials.api.fields import WorkerField
from trials.queries.filters import Between
from trials.queries.ordering import ORDERS
from tuner_project.rest.parsers import strict_json
from tuner_project.rest.serializers import (
    PageQuerySerializer,
    QueryFloatField,
    QueryIntegerField,
    StrictCharField,
    StrictFloatField,
    StrictSerializer,
)


class RangeSerializer(StrictSerializer):
    """A range of a parameter's values, ends included."""

    min = StrictFloatField(required=False)
    max = StrictFloatField(required=False)

    def validate(self, attrs: dict[str, Any]) -> Any:
        if not attrs:
            raise serializers.ValidationError("expected min, max or both")
        return between(attrs, "min", "max")


RANGE = RangeSerializer()


@extend_schema_field({"type": "string"})
class ParamsField(serializers.Field[Any, Any, Any, Any]):
    """A JSON object from names of parameters to a value or a range each."""

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        try:
            params = strict_json(str(data).encode())
        except ParseError as error:
            fault = str(error.detail).replace("the body", "it", 1)
            raise serializers.ValidationError(f"expected a JSON object: {fault}") from None
        if not isinstance(params, dict):
            raise serializers.ValidationError(f"expected a JSON object, not {data!r:.80}")
        return {name: self._wanted(name, each) for name, each in params.items()}

    def _wanted(self, name: str, wanted: Any) -> Any:
        if not isinstance(wanted, dict):
            return wanted
        try:
            return RANGE.run_validation(wanted)
        except serializers.ValidationError as error:
            raise serializers.ValidationError({name: error.detail}) from None

    def to_representation(self, value: Any) -> Any:
        return value


class TrialQuerySerializer(PageQuerySerializer):
    """Filters, order and page of the list of trials.

    Keys that are not given get no default, so that links to other pages do not contain them.
    """

    state = serializers.ChoiceField(
        choices=TrialState.choices, required=False, help_text="Only trials in this state."
    )
    worker_id = WorkerField(help_text="Only trials of this worker.")
    order_by = serializers.ChoiceField(
        choices=ORDERS,
        required=False,
        help_text="The order; a leading - means descending. Trials without a value or a duration "
        "come last in both directions; equal ones are ordered by number. Default: number.",
    )
    target_idx = QueryIntegerField(
        required=False,
        min_value=0,
        help_text="The index of the objective that `order_by`, `min_value` and `max_value` refer "
        "to. Default: 0.",
    )
    min_value = QueryFloatField(
        required=False, help_text="Only trials with this value or a greater one."
    )
    max_value = QueryFloatField(
        required=False, help_text="Only trials with this value or a lesser one."
    )
    params = ParamsField(
        required=False,
        help_text="Only trials with these parameters: a JSON object that maps each name to a value "
        "or to a range, both ends included, such as "
        '`{"optimizer": "adam", "lr": {"min": 0.001, "max": 0.1}}`.',
    )
    cursor = StrictCharField(
        required=False,
        max_length=1000,
        help_text="The start of the page, from the `Link` to the next page, instead of `offset`. "
        "Such pages neither repeat nor skip trials while others are added and finished.",
    )

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, Mapping) and "cursor" in data and "offset" in data:
            fault = "a cursor determines where the page begins: leave offset out"
            raise serializers.ValidationError({"offset": [fault]})
        return super().to_internal_value(data)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if "min_value" in attrs or "max_value" in attrs:
            attrs["value"] = between(attrs, "min_value", "max_value")
        return attrs


def between(attrs: dict[str, Any], low: str, high: str) -> Between:
    """Remove the keys of both ends from the attributes, and return the range between them."""
    found = Between(attrs.pop(low, None), attrs.pop(high, None))
    if found.low is not None and found.high is not None and found.low > found.high:
        fault = f"{found.high!r} is below {low} ({found.low!r})"
        raise serializers.ValidationError({high: [fault]})
    return found

"""Query parameters of the list of trials."""

from collections.abc import Mapping
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.exceptions import ParseError

from optuna_bridge.enums import TrialState
from trials.api.fields import MAX_STEP, WorkerField
from trials.queries.filters import Between
from trials.queries.ordering import CONSTRAINT, NAMED_ORDERS, ORDERS, USER_ATTR
from tuner_project.rest.parsers import strict_json
from tuner_project.rest.serializers import (
    PageQuerySerializer,
    QueryBooleanField,
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


class SoughtAttributeField(serializers.Field[Any, Any, Any, Any]):
    """A text, or a range of numbers as JSON."""

    def to_internal_value(self, data: Any) -> str | Between:
        text: str = StrictCharField(allow_blank=True).run_validation(data)
        return _range_of(text) or text


class SoughtNumberField(serializers.Field[Any, Any, Any, Any]):
    """A number, or a range of numbers as JSON."""

    def to_internal_value(self, data: Any) -> Between:
        if between := _range_of(str(data)):
            return between
        number = QueryFloatField().run_validation(data)
        return Between(number, number)


def _range_of(text: str) -> Between | None:
    """Return the range that a text describes as a JSON object; None if it is no object."""
    try:
        wanted = strict_json(text.encode())
    except ParseError:
        return None
    return RANGE.run_validation(wanted) if isinstance(wanted, dict) else None


class OrderField(StrictCharField):
    """The order of trials: one of `ORDERS`, or the name of an attribute or a constraint."""

    def to_internal_value(self, data: Any) -> str:
        order_by = super().to_internal_value(data)
        if order_by in ORDERS or order_by.removeprefix("-").startswith((USER_ATTR, CONSTRAINT)):
            return order_by
        raise serializers.ValidationError(
            f"expected one of {', '.join([*ORDERS, *NAMED_ORDERS])}, not {order_by!r:.80}"
        )


# The fields of the keys that continue with a name, such as `user_attr.loss`.
NAMED = {
    USER_ATTR: ("user_attrs", SoughtAttributeField()),
    CONSTRAINT: ("constraints", SoughtNumberField()),
}


class TrialQuerySerializer(PageQuerySerializer):
    """Filters, order and page of the list of trials.

    Besides its fields it takes `user_attr.KEY` and `constraint.NAME`, for any number of names. Keys
    that are not given get no default, so that links to other pages do not contain them.
    """

    state = serializers.ChoiceField(
        choices=TrialState.choices, required=False, help_text="Only trials in this state."
    )
    worker_id = WorkerField(help_text="Only trials of this worker.")
    repeat_group = QueryIntegerField(
        required=False,
        min_value=0,
        max_value=MAX_STEP,
        help_text="Only trials that repeat the point of the trial with this trial_id.",
    )
    order_by = OrderField(
        required=False,
        help_text="The order: `number`, `value`, `duration`, `user_attr.KEY` or `constraint.NAME`; "
        "a leading - means descending. Attributes are ordered as numbers, then texts (by their "
        "first 100 characters), booleans, and lists and objects. Trials without the value, the "
        "duration, the constraint or the attribute (or where it is null) come last in both "
        "directions; equal ones are ordered by number. Default: number.",
    )
    feasible = QueryBooleanField(
        required=False,
        help_text="true: only COMPLETE and PRUNED trials that satisfy all constraints; false: only "
        "trials that violate one, or failed as infeasible.",
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
        named: dict[str, dict[str, Any]] = {}
        for prefix, (field, shape) in NAMED.items():
            given = {key: text for key, text in data.items() if key.startswith(prefix)}
            if given:
                named[field] = {
                    _valid_name(key).removeprefix(prefix): _valid(key, text, shape)
                    for key, text in given.items()
                }
        others = {key: text for key, text in data.items() if not key.startswith(tuple(NAMED))}
        return super().to_internal_value(others) | named

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if "min_value" in attrs or "max_value" in attrs:
            attrs["value"] = between(attrs, "min_value", "max_value")
        return attrs


def _valid_name(key: str) -> str:
    return _valid(key, key, StrictCharField())


def _valid(key: str, text: str, shape: serializers.Field[Any, Any, Any, Any]) -> Any:
    try:
        return shape.run_validation(text)
    except serializers.ValidationError as error:
        raise serializers.ValidationError({key: error.detail}) from None


def between(attrs: dict[str, Any], low: str, high: str) -> Between:
    """Remove the keys of both ends from the attributes, and return the range between them."""
    found = Between(attrs.pop(low, None), attrs.pop(high, None))
    if found.low is not None and found.high is not None and found.low > found.high:
        fault = f"{found.high!r} is below {low} ({found.low!r})"
        raise serializers.ValidationError({high: [fault]})
    return found

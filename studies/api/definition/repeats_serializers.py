"""The repeats of a study's points, in requests and answers."""

from typing import Any

from rest_framework import serializers

from optuna_bridge.repeats.aggregates import AGGREGATES, MAX_REPEATS, MIN_REPEATS
from tuner_project.rest.base_serializers import AnswerSerializer
from tuner_project.rest.serializers import StrictIntegerField, StrictSerializer

_N = "How many trials evaluate each point."
_AGGREGATE = (
    "How the values of a point's completed repeats become one: their mean, their median, or the "
    "worst of them."
)


class RepeatsSerializer(StrictSerializer):
    """The repeats of each point, in a request."""

    n = StrictIntegerField(min_value=MIN_REPEATS, max_value=MAX_REPEATS, help_text=_N)
    aggregate = serializers.ChoiceField(
        choices=list(AGGREGATES), required=False, help_text=f"{_AGGREGATE} Default: mean."
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        return {"n": attrs["n"], "aggregate": attrs.get("aggregate", "mean")}


class RepeatsAnswerSerializer(AnswerSerializer):
    """The repeats of each point."""

    n = serializers.IntegerField(help_text=_N)
    aggregate = serializers.ChoiceField(choices=list(AGGREGATES), help_text=_AGGREGATE)

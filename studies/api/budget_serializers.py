"""The budget `stop_after_no_improvement` in requests and answers."""

from typing import Any

from rest_framework import serializers

from studies.api.fields import MAX_OBJECTIVES
from tuner_project.rest.base_serializers import AnswerSerializer
from tuner_project.rest.serializers import StrictFloatField, StrictIntegerField, StrictSerializer

_TRIALS = "The finished trials in a row without an improvement that complete the study."
_MIN_DELTA = "An improvement is larger than this. Default: 0."
_REFERENCE_POINT = (
    "Of several objectives, which need it: the worst values that matter, one for each objective, "
    "up to which the hypervolume is measured."
)


class NoImprovementSerializer(StrictSerializer):
    """The budget of trials without an improvement, in a request; it is replaced as a whole."""

    trials = StrictIntegerField(min_value=1, max_value=2**31 - 1, help_text=_TRIALS)
    min_delta = StrictFloatField(required=False, min_value=0, help_text=_MIN_DELTA)
    reference_point = serializers.ListField(
        child=StrictFloatField(),
        required=False,
        allow_null=True,
        min_length=2,
        max_length=MAX_OBJECTIVES,
        help_text=_REFERENCE_POINT,
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        return {
            "trials": attrs["trials"],
            "min_delta": attrs.get("min_delta", 0.0),
            "reference_point": attrs.get("reference_point"),
        }


class NoImprovementAnswerSerializer(AnswerSerializer):
    """The budget of trials without an improvement."""

    trials = serializers.IntegerField(help_text=_TRIALS)
    min_delta = serializers.FloatField(help_text=_MIN_DELTA)
    reference_point = serializers.ListField(
        child=serializers.FloatField(), allow_null=True, help_text=_REFERENCE_POINT
    )

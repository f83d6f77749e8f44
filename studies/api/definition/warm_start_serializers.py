"""The trials of earlier studies with which a new study begins, in a request."""

from typing import Any

from rest_framework import serializers

from studies.api.definition.fields import MAX_NAME
from studies.domain.warm_start import WarmStart
from studies.enums import WarmStartMode
from tuner_project.rest.serializers import StrictCharField, StrictIntegerField, StrictSerializer

MAX_SOURCES = 20  # studies, or patterns
MAX_WARM_START = 1000  # trials


class WarmStartSerializer(StrictSerializer):
    """The trials of earlier studies with which a new study begins."""

    studies = serializers.ListField(
        child=StrictCharField(max_length=MAX_NAME),
        min_length=1,
        max_length=MAX_SOURCES,
        help_text="Names of studies, or patterns in which `*` stands for any text. Of the studies "
        "that match a pattern, the newest with the same directions count.",
    )
    top = StrictIntegerField(
        required=False,
        min_value=1,
        max_value=MAX_WARM_START,
        help_text="How many of the best trials at most. Default: 10.",
    )
    mode = serializers.ChoiceField(
        choices=WarmStartMode.choices,
        required=False,
        help_text="`queue`: they are evaluated again, and come first; parameters that they lack "
        "are drawn. `record`: their results count, which needs the same parameters and "
        "constraints. Default: queue.",
    )

    def get_fields(self) -> dict[str, Any]:
        """Return the fields; `from` is a keyword of Python."""
        fields = super().get_fields()
        return {"from": fields.pop("studies"), **fields}

    def validate(self, attrs: dict[str, Any]) -> WarmStart:
        mode = WarmStartMode(attrs.get("mode") or WarmStartMode.QUEUE)
        top = attrs.get("top") or 10
        return WarmStart(attrs["from"], top, mode)

"""Query parameters of the list of studies."""

from collections.abc import Mapping
from typing import Any

from rest_framework import serializers

from optuna_bridge.samplers.registry import SAMPLERS
from studies.api.definition.description_fields import QueryTagsField
from studies.domain.listing import ORDERS
from studies.enums import StudyState
from tuner_project.rest.serializers import LongPageQuerySerializer, StrictCharField

USER_ATTR = "user_attr."


class StudyQuerySerializer(LongPageQuerySerializer):
    """Filters, order and page of the list of studies.

    Besides its fields it takes `user_attr.KEY`, for any number of keys.
    """

    name = StrictCharField(
        required=False, help_text="Only studies of such names; * matches any text."
    )
    state = serializers.ChoiceField(choices=StudyState.choices, required=False)
    sampler = serializers.ChoiceField(choices=list(SAMPLERS), required=False)
    tag = QueryTagsField()
    order_by = serializers.ChoiceField(
        choices=ORDERS,
        required=False,
        help_text="The order; a leading - means descending. Default: -created, the newest first.",
    )

    def to_internal_value(self, data: Mapping[str, Any]) -> Any:
        attrs = {key: text for key, text in data.items() if key.startswith(USER_ATTR)}
        valid = super().to_internal_value({k: v for k, v in data.items() if k not in attrs})
        if attrs:
            valid["user_attrs"] = {
                self._text(key).removeprefix(USER_ATTR): self._text(text)
                for key, text in attrs.items()
            }
        return valid

    @staticmethod
    def _text(text: str) -> str:
        return StrictCharField(allow_blank=True).run_validation(text)

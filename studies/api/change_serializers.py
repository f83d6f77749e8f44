"""The request body of a change of a study."""

from typing import Any

from rest_framework import serializers

from optuna_bridge.space.changes import SpaceRequest
from studies.api.definition.description_fields import NoteField, TagsField
from studies.api.definition.life_serializers import LifeSerializer
from studies.api.definition.parameter_serializers import ParameterField
from studies.api.request_serializers import (
    MAX_PARAMETERS,
    DefinitionSerializer,
    MetricNamesField,
)
from tuner_project.rest.serializers import (
    AttributesField,
    StrictIntegerField,
    UserAttributesField,
)

_OF_SPACE = ("search_space", "defaults", "retired")


class ChangeStudySerializer(LifeSerializer):
    """Changes of a study; null removes a budget, the expiry of leases, or the metric names."""

    user_attrs = UserAttributesField(required=False, help_text="Replaces all user attributes.")
    metric_names = MetricNamesField(allow_null=True)
    tags = TagsField()
    note = NoteField()
    search_space = serializers.ListField(
        child=ParameterField(),
        required=False,
        min_length=1,
        max_length=MAX_PARAMETERS,
        help_text="All parameters that are suggested from now on. Ranges and choices may be others "
        "than before; a parameter's type and scale (`log`, `step`) may not.",
    )
    defaults = AttributesField(
        required=False,
        help_text="With `search_space`: for each new parameter, the value that the trials so far "
        "count as.",
    )
    retired = AttributesField(
        required=False,
        help_text="With `search_space`: for each parameter that is left out, the value that trials "
        "have from now on.",
    )
    if_version = StrictIntegerField(
        required=False,
        min_value=1,
        help_text="Change nothing unless this is the version of the search space.",
    )

    validate_search_space = DefinitionSerializer.validate_search_space

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        of_space = {key: attrs.pop(key) for key in _OF_SPACE if key in attrs}
        if of_space and "search_space" not in of_space:
            fault = "it belongs to a new search_space, which is missing"
            raise serializers.ValidationError(dict.fromkeys(of_space, fault))
        space = None
        if of_space:
            parameters = of_space.pop("search_space")
            space = SpaceRequest(parameters, **of_space)
        return {"if_version": attrs.pop("if_version", None), "space": space, "changes": attrs}

"""The versions of a study's search space in answers."""

from rest_framework import serializers

from studies.api.definition.parameter_serializers import ParameterField
from tuner_project.rest.base_serializers import AnswerSerializer
from tuner_project.rest.serializers import TextOrNullField, UTCDateTimeField


class SearchSpaceVersionSerializer(AnswerSerializer):
    """A version of a study's search space."""

    version = serializers.IntegerField()
    datetime = UTCDateTimeField(source="created_at")
    actor = TextOrNullField(help_text="Who gave it; null if that is no longer known.")
    search_space = serializers.ListField(child=ParameterField())
    defaults = serializers.DictField(
        help_text="For each parameter that was new: the value that earlier trials count as."
    )
    retired = serializers.DictField(
        help_text="For each retired parameter: the value that trials of the version have."
    )

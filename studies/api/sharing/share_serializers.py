"""Links to a study, in requests and answers."""

from rest_framework import serializers

from studies.domain.shares import DEFAULT_DAYS, MAX_DAYS
from tuner_project.rest.base_serializers import AnswerSerializer
from tuner_project.rest.serializers import (
    StrictIntegerField,
    StrictSerializer,
    UTCDateTimeField,
)


class CreateShareSerializer(StrictSerializer):
    """For how long a study is shared."""

    expires_in_days = StrictIntegerField(
        required=False,
        allow_null=True,
        min_value=1,
        max_value=MAX_DAYS,
        help_text=f"The days after which the link expires. Default: {DEFAULT_DAYS}.",
    )


class ShareSerializer(AnswerSerializer):
    """A link to a study, without its secret."""

    id = serializers.IntegerField()
    created_at = UTCDateTimeField(source="created")
    expires_at = UTCDateTimeField(source="expiry_date")
    last_used_at = UTCDateTimeField(allow_null=True, help_text="To the minute.")


class NewShareSerializer(ShareSerializer):
    """A link to a study that was just created."""

    url = serializers.CharField(help_text="Shown only here: everyone with it can open the study.")

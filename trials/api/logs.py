"""The endpoint of a trial's log."""

from typing import Any, ClassVar

from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from studies.api.views import StudyScope
from trials import domain
from trials.api.attachment_fields import PlainTextParser
from trials.api.fields import MAX_STEP, WorkerField
from trials.domain import FencingToken
from tuner_project.rest.base_serializers import AnswerSerializer, StrictSerializer
from tuner_project.rest.serializers import (
    MAX_SAFE_INTEGER,
    QueryBooleanField,
    QueryIntegerField,
    StrictCharField,
    UTCDateTimeField,
)

TEXT, JSON = "text", "json"
TEXT_TYPE = "text/plain"


class LogTextSerializer(StrictSerializer):
    """The text of a log."""

    text = StrictCharField(allow_blank=True, default="")


class WriteLogQuerySerializer(StrictSerializer):
    """Where the text belongs, and which trial the client means."""

    append = QueryBooleanField(
        required=False, help_text="Add the text at the end, instead of replacing all."
    )
    offset = QueryIntegerField(
        required=False,
        min_value=0,
        max_value=MAX_SAFE_INTEGER,
        help_text="Add the text at this position of the log, in bytes of UTF-8: the `size` of the "
        "last answer. What the log has there already is not added again, so that the request can "
        "be repeated; behind a gap, only the text is kept.",
    )
    study_id = QueryIntegerField(
        required=False,
        min_value=0,
        max_value=MAX_STEP,
        help_text="The `study_id` of the suggestion, as in a report.",
    )
    worker_id = WorkerField(help_text="The `worker_id` of the suggestion, as in a report.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        fence = FencingToken(attrs.pop("study_id", None), attrs.pop("worker_id", None))
        return attrs | {"fence": fence}


class ReadLogQuerySerializer(StrictSerializer):
    """The form of the answer."""

    format = serializers.ChoiceField(
        choices=[JSON, TEXT], default=JSON, help_text="`text` answers the text alone."
    )


class WrittenLogSerializer(AnswerSerializer):
    """How long a log is."""

    trial_id = serializers.IntegerField()
    size = serializers.IntegerField(
        help_text="The length of the whole log in bytes of UTF-8: the `offset` of what comes next."
    )
    dropped = serializers.IntegerField(
        help_text="The number of bytes at its beginning that are not kept."
    )
    written_at = UTCDateTimeField(allow_null=True)


class TrialLogSerializer(WrittenLogSerializer):
    """The end of a log."""

    text = serializers.CharField()


@extend_schema(tags=["trials"])
class TrialLogViewSet(StudyScope):
    """Read and write the end of what a trial's evaluation has printed."""

    staff_permission = "trials.view_trial"
    serializer_class = LogTextSerializer
    parser_classes = (PlainTextParser,)
    scopes: ClassVar[dict[str, str]] = {"update": "worker"}
    query_serializers: ClassVar[dict[str, Any]] = {
        "retrieve": ReadLogQuerySerializer,
        "update": WriteLogQuerySerializer,
    }

    @extend_schema(
        operation_id="getTrialLog",
        responses={
            (200, "application/json"): TrialLogSerializer,
            (200, TEXT_TYPE): OpenApiResponse(OpenApiTypes.STR, "The text alone."),
        },
    )
    def retrieve(self, request: Request, study_name: str, trial_id: int) -> HttpResponse:
        """Get the end of a trial's log; it is empty if the trial has none."""
        log = domain.read_log(named=self.named_study(study_name), number=trial_id)
        if self.query["format"] == TEXT:
            return HttpResponse(log.text, content_type=f"{TEXT_TYPE}; charset=utf-8")
        return self.answer(TrialLogSerializer, _answer(trial_id, log))

    @extend_schema(
        operation_id="writeTrialLog",
        request={TEXT_TYPE: OpenApiTypes.STR},
        responses=WrittenLogSerializer,
    )
    def update(self, request: Request, study_name: str, trial_id: int) -> Response:
        """Replace a trial's log by a text, or append to it; the last 64 KiB are kept.

        The body is the text in UTF-8; bytes that are not, and NUL, are replaced by U+FFFD. The
        log of an ended trial can be written for an hour; then it is a 409 `log_closed`.
        """
        named = self.named_study(study_name)
        log = domain.write_log(named=named, number=trial_id, **self.body(), **self.query)
        return self.answer(WrittenLogSerializer, _answer(trial_id, log))


def _answer(trial_id: int, log: Any) -> dict[str, Any]:
    return {
        "trial_id": trial_id,
        "text": log.text,
        "size": log.size,
        "dropped": log.dropped,
        "written_at": log.written_at,
    }

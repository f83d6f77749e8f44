"""The endpoints of export, import and clone."""

from functools import partial
from io import BytesIO
from typing import Any, ClassVar

from django.http import StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema, extend_schema_view
from rest_framework.parsers import BaseParser
from rest_framework.request import Request
from rest_framework.response import Response

from studies.api.views import StudyScope, StudyViewSet
from transfer.api.attachment import attachment
from transfer.api.import_slots import import_slot
from transfer.api.serializers import (
    ClonedStudySerializer,
    CloneStudySerializer,
    ImportQuerySerializer,
    ImportSerializer,
)
from transfer.api.spooling import BLOCK, spooled
from transfer.domain.cloning import clone_study
from transfer.domain.importing import Result, import_studies
from transfer.file.format import MEDIA_TYPE
from transfer.file.reading import lines_of
from tuner_project.db.database import release_connection
from tuner_project.rest.bounds.disconnection import while_connected
from tuner_project.rest.serializers import EmptySerializer

OTHER_MEDIA_TYPE = "application/jsonl"


class LinesParser(BaseParser):
    """Spool JSON Lines into a temporary file, because a body may be larger than the memory.

    No database connection is held while the body is received.
    """

    media_type = MEDIA_TYPE

    def parse(self, stream: Any, media_type: Any = None, parser_context: Any = None) -> Any:
        release_connection()
        return spooled(iter(partial(stream.read, BLOCK), b""))


class OtherLinesParser(LinesParser):
    """Parser for the alternative media type of JSON Lines."""

    media_type = OTHER_MEDIA_TYPE


@extend_schema(tags=["studies"])
class TransferViewSet(StudyScope):
    """Export and clone a study."""

    staff_permission = "trials.view_trial"
    heavy = frozenset({"export", "clone"})

    def get_serializer_class(self) -> Any:
        return CloneStudySerializer if self.action == "clone" else EmptySerializer

    @extend_schema(
        operation_id="exportStudy",
        responses={
            (200, MEDIA_TYPE): OpenApiResponse(
                OpenApiTypes.STR, "JSON Lines: the study, each trial, and the end."
            )
        },
    )
    def export(self, request: Request, study_name: str) -> StreamingHttpResponse:
        """Export a study with its trials, as of one moment, as a file for `importStudies`.

        A file without its last line, of kind `end`, was truncated.
        """
        names = [self.named_study(study_name).name]
        return attachment(names, filename=study_name, is_head=request.method == "HEAD")

    @extend_schema(
        operation_id="cloneStudy",
        request=CloneStudySerializer,
        responses={201: ClonedStudySerializer},
    )
    def clone(self, request: Request, study_name: str) -> Response:
        """Clone a study, optionally with another search space or sampler.

        With the same search space, all trials are kept; a running one is queued, since its result
        goes to the source. With another, the COMPLETE, PRUNED and infeasible trials that fit it
        are kept: parameters that the new space lacks are dropped; a trial that lacks a new
        parameter for which `defaults` has no value, or has a value outside, is left out. `exclude`
        leaves out trials by number. 409 `max_trials_exceeded`: the kept trials would use up
        `max_trials`. 409 `budget_used_up`: they have reached `target_value` or `max_failures`, or
        `deadline` has passed.
        """
        clone = clone_study(
            actor=self.actor,
            named=self.named_study(study_name),
            watched=partial(while_connected, request._request),
            **self.body(),
        )
        return self.answer(ClonedStudySerializer, clone, status=201)


@extend_schema_view(
    retrieve=extend_schema(exclude=True),
    partial_update=extend_schema(exclude=True),
    destroy=extend_schema(exclude=True),
)
class ImportViewSet(StudyViewSet):
    """Import files at `studies/import`; other methods address the study of this name."""

    query_serializers: ClassVar[dict[str, Any]] = {"import_studies": ImportQuerySerializer}

    def get_parsers(self) -> Any:
        if self.request is not None and self.request.method == "POST":
            return [LinesParser(), OtherLinesParser()]
        return super().get_parsers()

    @extend_schema(
        operation_id="importStudies",
        tags=["studies"],
        request={MEDIA_TYPE: OpenApiTypes.STR, OTHER_MEDIA_TYPE: OpenApiTypes.STR},
        responses={
            201: ImportSerializer,
            200: OpenApiResponse(
                ImportSerializer, "Nothing was stored: a dry run, or all skipped."
            ),
        },
    )
    def import_studies(self, request: Request, study_name: str) -> Response:
        """Import the studies of an exported file, all or none.

        Every line is checked; the `detail` of a 400 names the line, and the pointers of its
        `errors` begin with it. 409 `study_exists`: a name exists, and `conflict` is `fail`. 503
        `too_many_imports`: others are running; try again after `Retry-After` seconds.
        """
        with import_slot():
            body: Any = self.request.data or BytesIO()  # without a body nothing is parsed
            with body as file:
                lines = while_connected(request._request, lines_of(file))
                studies = import_studies(actor=self.actor, lines=lines, **self.query)
        is_stored = any(each.outcome != Result.SKIPPED for each in studies)
        status = 201 if is_stored and not self.query["dry_run"] else 200
        answer = {"dry_run": self.query["dry_run"], "studies": studies}
        return self.answer(ImportSerializer, answer, status)

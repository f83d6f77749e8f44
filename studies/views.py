"""The endpoints of studies."""

from typing import Any, ClassVar

from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from studies import domain
from studies.models import NamedStudy, Study, StudyQuerySet
from studies.serializers import (
    CreateStudySerializer,
    StudyPageSerializer,
    StudySerializer,
    StudySummarySerializer,
)
from tuner_project.rest.serializers import EmptySerializer
from tuner_project.rest.views import ApiViewSet


class StudyScope:
    """Which studies a caller may see, all together and by name: the place that says so."""

    def studies(self) -> StudyQuerySet:
        return Study.objects.all()

    def named_study(self, name: str) -> NamedStudy:
        """The study in the path; it is read by whom it is given to."""
        return NamedStudy(name)


@extend_schema(tags=["studies"])
class StudyViewSet(StudyScope, ApiViewSet):
    """What is to be optimised."""

    query_serializers: ClassVar[dict[str, Any]] = {"list": StudyPageSerializer}

    def get_serializer_class(self) -> Any:
        return CreateStudySerializer if self.action == "create" else EmptySerializer

    @extend_schema(
        operation_id="createStudy",
        request=CreateStudySerializer,
        responses={
            201: StudySerializer,
            200: OpenApiResponse(StudySerializer, "The study exists already, and agrees."),
        },
    )
    def create(self, request: Request) -> Response:
        """Create a study, or load the one of this name.

        An existing study is answered with 200 if its definition agrees with what the body
        gives; else this is a 409 `study_conflict` that names what differs. With
        `load_if_exists: false` an existing name is a 409 `study_exists`.
        """
        study, is_new = domain.create_study(**self.body())
        return self.answer(StudySerializer, study, status=201 if is_new else 200)

    @extend_schema(operation_id="listStudies", responses=StudySummarySerializer(many=True))
    def list(self, request: Request) -> Response:
        """The studies, newest first."""
        limit, offset = self.query["limit"], self.query["offset"]
        studies = self.studies().newest_first()
        page = studies[offset : offset + limit]
        return self.answer_page(StudySummarySerializer, page, studies.count())

    @extend_schema(operation_id="getStudy", responses=StudySerializer)
    def retrieve(self, request: Request, study_name: str) -> Response:
        """One study, with its best trial so far."""
        return self.answer(StudySerializer, self.named_study(study_name).one())

    @extend_schema(operation_id="deleteStudy", responses={204: None})
    def destroy(self, request: Request, study_name: str) -> Response:
        """Delete a study and its trials."""
        self.body()
        domain.delete_study(named=self.named_study(study_name))
        return Response(status=204)

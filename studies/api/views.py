"""The endpoints of studies."""

from collections.abc import Hashable
from functools import cached_property
from typing import Any, ClassVar

from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from access.actors import Actor
from studies import domain
from studies.api.change_serializers import ChangeStudySerializer
from studies.api.query_serializers import StudyQuerySerializer
from studies.api.request_serializers import (
    CompleteStudySerializer,
    CreateStudySerializer,
    TransitionSerializer,
)
from studies.api.serializers import StudySerializer, StudySummarySerializer
from studies.api.space_serializers import SearchSpaceVersionSerializer
from studies.domain.change_search_space import versions_of
from studies.domain.lifecycle import ACTIONS, change_state, change_study
from studies.domain.listing import filter_studies, page_of_summaries
from studies.enums import StudyState
from studies.models import NamedStudy, Study, StudyQuerySet, check_seen
from tuner_project.rest.serializers import (
    EmptySerializer,
    PageQuerySerializer,
    StrictSerializer,
)
from tuner_project.rest.views import ApiViewSet


class StudyScope(ApiViewSet):
    """Base class with the actor of a request and the studies that it may see.

    Names in a request's body are checked by the use cases (`check_seen`).
    """

    staff_permission = "studies.view_study"

    @cached_property
    def actor(self) -> Actor:
        """The actor that sent the request."""
        authenticated: Any = self.request.user
        return authenticated or Actor.anonymous(self.request._request)

    def caller(self) -> Hashable:
        return self.actor.caller

    def studies(self) -> StudyQuerySet:
        return Study.objects.seen_by(self.actor)

    def named_study(self, name: str) -> NamedStudy:
        """Return a reference to the study in the path, without reading it.

        Raises:
            StudyNotFound: The actor may not see studies of this name.
        """
        check_seen(name, self.actor)
        return NamedStudy(name)


BODIES: dict[str, type[StrictSerializer]] = {
    "create": CreateStudySerializer,
    "partial_update": ChangeStudySerializer,
    **dict.fromkeys(ACTIONS.values(), TransitionSerializer),
    "complete": CompleteStudySerializer,
}


@extend_schema(tags=["studies"])
class StudyViewSet(StudyScope):
    """Create, list, change and delete studies."""

    query_serializers: ClassVar[dict[str, Any]] = {
        "list": StudyQuerySerializer,
        "search_space_versions": PageQuerySerializer,
    }
    repeatable = frozenset({"tag"})
    # A worker loads an existing study; that it creates none is checked where one is created.
    scopes: ClassVar[dict[str, str]] = {"create": "worker"}

    def get_serializer_class(self) -> Any:
        return BODIES.get(self.action or "", EmptySerializer)

    @extend_schema(
        operation_id="createStudy",
        request=CreateStudySerializer,
        responses={
            201: StudySerializer,
            200: OpenApiResponse(StudySerializer, "The study exists, and its definition agrees."),
        },
    )
    def create(self, request: Request) -> Response:
        """Create a study, or load the existing study of this name.

        If the study exists, and its definition agrees with the fields in the body, the response is
        200. If they differ, it is 409 `study_conflict`, which names the differences. With
        `load_if_exists: false` an existing name is a 409 `study_exists`. The scope `worker` is
        enough to load a study; creating one needs `manage`.
        """
        study, is_new = domain.create_study(actor=self.actor, **self.body())
        return self.answer(StudySerializer, study, status=201 if is_new else 200)

    @extend_schema(operation_id="listStudies", responses=StudySummarySerializer(many=True))
    def list(self, request: Request) -> Response:
        """List the studies, newest first or in the order of `order_by`.

        `tag=a&tag=b` returns only studies with both tags, and `user_attr.KEY=TEXT` only those with
        this user attribute; a number or a boolean is written as in JSON.
        """
        limit, offset = self.query["limit"], self.query["offset"]
        given = {key: self.query[key] for key in self.query.keys() - {"limit", "offset"}}
        studies = filter_studies(self.studies(), **given)
        page = page_of_summaries(studies, limit, offset)
        return self.answer_page(StudySummarySerializer, page, studies.count())

    @extend_schema(operation_id="getStudy", responses=StudySerializer)
    def retrieve(self, request: Request, study_name: str) -> Response:
        """Get a study, with its best trial so far."""
        return self.answer(StudySerializer, self.named_study(study_name).one())

    @extend_schema(
        operation_id="updateStudy", request=ChangeStudySerializer, responses=StudySerializer
    )
    def partial_update(self, request: Request, study_name: str) -> Response:
        """Change budgets, retries, the lease, metric names, what describes it, or the search space.

        What describes it are user attributes, tags and the note, each replaced as a whole. A budget
        that is used up by the change completes the study. A larger budget does not resume
        a completed study.

        `search_space` replaces the parameters as a whole. Running trials go on, and trials keep
        their values, also those that are no longer suggested. With `if_version`, it is a 409
        `search_space_changed` if the search space has another version; another type or scale of a
        parameter is a 409 `search_space_incompatible`: clone the study instead.
        """
        study = change_study(actor=self.actor, named=self.named_study(study_name), **self.body())
        return self.answer(StudySerializer, study)

    @extend_schema(
        operation_id="listSearchSpaceVersions",
        responses=SearchSpaceVersionSerializer(many=True),
    )
    def search_space_versions(self, request: Request, study_name: str) -> Response:
        """List the search spaces that a study has had, the current one first."""
        study = self.named_study(study_name).one()
        page, n = versions_of(study, self.query["limit"], self.query["offset"])
        return self.answer_page(SearchSpaceVersionSerializer, page, n)

    @extend_schema(
        operation_id="pauseStudy", request=TransitionSerializer, responses=StudySerializer
    )
    def pause(self, request: Request, study_name: str) -> Response:
        """Pause a study: no trials are handed out until it is resumed; running trials go on."""
        return self._enter(study_name, StudyState.PAUSED)

    @extend_schema(
        operation_id="resumeStudy", request=TransitionSerializer, responses=StudySerializer
    )
    def resume(self, request: Request, study_name: str) -> Response:
        """Resume a study; a completed study only if its budgets leave room."""
        return self._enter(study_name, StudyState.ACTIVE)

    @extend_schema(
        operation_id="completeStudy", request=CompleteStudySerializer, responses=StudySerializer
    )
    def complete(self, request: Request, study_name: str) -> Response:
        """Complete a study: no trials are handed out any more; running ones may still end.

        With `stop_running` their reports and heartbeats return `should_stop`.
        """
        return self._enter(study_name, StudyState.COMPLETED)

    @extend_schema(
        operation_id="cancelStudy", request=TransitionSerializer, responses=StudySerializer
    )
    def cancel(self, request: Request, study_name: str) -> Response:
        """Cancel a study for good; reports and heartbeats of its trials return `should_stop`.

        A completed study can be cancelled while trials run.
        """
        return self._enter(study_name, StudyState.CANCELLED)

    def _enter(self, study_name: str, state: StudyState) -> Response:
        named = self.named_study(study_name)
        study = change_state(actor=self.actor, named=named, to=state, **self.body())
        return self.answer(StudySerializer, study)

    @extend_schema(operation_id="deleteStudy", responses={204: None})
    def destroy(self, request: Request, study_name: str) -> Response:
        """Delete a study and its trials."""
        self.body()
        domain.delete_study(actor=self.actor, named=self.named_study(study_name))
        return Response(status=204)

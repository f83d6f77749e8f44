"""The endpoints of links to a study."""

from typing import Any, ClassVar

from django.http import HttpRequest
from django.urls import reverse
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from studies.api.sharing.share_serializers import (
    CreateShareSerializer,
    NewShareSerializer,
    ShareSerializer,
)
from studies.api.views import StudyScope
from studies.domain.shares import create_share, revoke_share, usable_shares
from tuner_project.rest.serializers import EmptySerializer, PageQuerySerializer


@extend_schema(tags=["studies"])
class ShareViewSet(StudyScope):
    """Create, list and revoke links to a study."""

    scopes: ClassVar[dict[str, str]] = {"list": "manage"}
    query_serializers: ClassVar[dict[str, Any]] = {"list": PageQuerySerializer}

    def get_serializer_class(self) -> Any:
        return CreateShareSerializer if self.action == "create" else EmptySerializer

    @extend_schema(
        operation_id="createShare",
        request=CreateShareSerializer,
        responses={201: NewShareSerializer},
    )
    def create(self, request: Request, study_name: str) -> Response:
        """Create a link that opens the page of this study, for reading, until it expires.

        `url` has the secret, which is shown only here. A study has at most 20 links at a time.
        """
        given = {key: days for key, days in self.body().items() if days is not None}
        named = self.named_study(study_name)
        share, key = create_share(actor=self.actor, named=named, **given)
        share.url = share_url(request._request, key)  # type: ignore[attr-defined]
        return self.answer(NewShareSerializer, share, status=201)

    @extend_schema(operation_id="listShares", responses=ShareSerializer(many=True))
    def list(self, request: Request, study_name: str) -> Response:
        """List the links to a study that are neither expired nor revoked, the newest first."""
        shares = usable_shares(self.named_study(study_name).one())
        limit, offset = self.query["limit"], self.query["offset"]
        return self.answer_page(ShareSerializer, shares[offset : offset + limit], shares.count())

    @extend_schema(operation_id="revokeShare", responses={204: None})
    def destroy(self, request: Request, study_name: str, share_id: int) -> Response:
        """Revoke a link to a study; it opens nothing from now on."""
        self.body()
        study = self.named_study(study_name).one()
        revoke_share(actor=self.actor, study=study, share_id=share_id)
        return Response(status=204)


def share_url(request: HttpRequest, key: str) -> str:
    """Return the URL of a share, as seen from where a request came.

    The key is in the fragment, which browsers send to no server: it reaches no access log, also of
    proxies, and no `Referer`.
    """
    return f"{request.build_absolute_uri(reverse('share'))}#{key}"

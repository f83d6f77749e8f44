"""The endpoints of events and webhooks."""

from typing import Any, ClassVar

from django.utils.http import parse_etags
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from events.api.serializers import (
    ChangeWebhookSerializer,
    CreateWebhookSerializer,
    EventQuerySerializer,
    FeedSerializer,
    SecretWebhookSerializer,
    WebhookSerializer,
)
from events.domain import webhooks
from events.queries.feed import FeedHead, feed_head, read_feed
from studies.api.views import StudyScope
from tuner_project.rest.problems import PROBLEM_JSON
from tuner_project.rest.serializers import (
    EmptySerializer,
    LongPageQuerySerializer,
    ProblemSerializer,
)

_IF_NONE_MATCH = OpenApiParameter(
    "If-None-Match",
    str,
    OpenApiParameter.HEADER,
    description="The `ETag` of the last answer to the same request.",
)


@extend_schema(tags=["events"])
class EventViewSet(StudyScope):
    """What has happened to a study."""

    serializer_class = EmptySerializer
    query_serializers: ClassVar[dict[str, Any]] = {"list": EventQuerySerializer}
    shared = frozenset({"list"})  # the study's page asks it for what is new

    @extend_schema(
        operation_id="listEvents",
        parameters=[_IF_NONE_MATCH],
        responses={
            200: FeedSerializer,
            304: OpenApiResponse(description="The study has not changed since."),
            (409, PROBLEM_JSON): OpenApiResponse(
                ProblemSerializer, "`cursor_ahead`: the study has had no event with that number."
            ),
        },
    )
    def list(self, request: Request, study_name: str) -> Response:
        """List a study's events after a cursor, oldest first.

        To follow a study, repeat the request every few seconds with `next_after` as `after`, and
        with the `ETag` as `If-None-Match`: a 304 costs one look-up. The request does not wait for
        events, since it would hold a thread meanwhile. Old events are deleted after
        KEEP_EVENTS_DAYS. If the study was deleted and created again, `study_id` is another one,
        and a cursor beyond its last event is a 409 `cursor_ahead`.
        """
        after = self.query["after"]
        head = feed_head(self.named_study(study_name).name, after=after)
        headers = {"ETag": f'W/"{head.version}-{after}"', "Cache-Control": "private, no-cache"}
        if _knows(request, head, after):
            return Response(status=304, headers=headers)
        response = self.answer(FeedSerializer, read_feed(head, **self.query))
        for name, value in headers.items():
            response[name] = value
        return response


@extend_schema(tags=["events"])
class WebhookViewSet(StudyScope):
    """Webhooks: where events are sent. A token sees those whose studies it may all see."""

    staff_permission = "events.view_webhook"
    query_serializers: ClassVar[dict[str, Any]] = {"list": LongPageQuerySerializer}
    scopes: ClassVar[dict[str, str]] = dict.fromkeys(("list", "retrieve"), "manage")

    def get_serializer_class(self) -> Any:
        bodies = {"create": CreateWebhookSerializer, "partial_update": ChangeWebhookSerializer}
        return bodies.get(self.action or "", EmptySerializer)

    @extend_schema(operation_id="listWebhooks", responses=WebhookSerializer(many=True))
    def list(self, request: Request) -> Response:
        """List the webhooks, the oldest first."""
        found = webhooks.seen_webhooks(self.actor)
        limit, offset = self.query["limit"], self.query["offset"]
        return self.answer_page(WebhookSerializer, found[offset : offset + limit], len(found))

    @extend_schema(
        operation_id="createWebhook",
        request=CreateWebhookSerializer,
        responses={201: SecretWebhookSerializer},
    )
    def create(self, request: Request) -> Response:
        """Create a webhook; `secret`, by which messages are signed, is answered this once."""
        new = webhooks.NewWebhook(**self.body())
        created = webhooks.create_webhook(actor=self.actor, new=new)
        return self.answer(SecretWebhookSerializer, created, status=201)

    @extend_schema(operation_id="getWebhook", responses=WebhookSerializer)
    def retrieve(self, request: Request, webhook_id: int) -> Response:
        """Get a webhook, with its last success and failure."""
        found = webhooks.get_webhook(actor=self.actor, webhook_id=webhook_id)
        return self.answer(WebhookSerializer, found)

    @extend_schema(
        operation_id="updateWebhook", request=ChangeWebhookSerializer, responses=WebhookSerializer
    )
    def partial_update(self, request: Request, webhook_id: int) -> Response:
        """Change a webhook, or enable it again after it was disabled."""
        changed = webhooks.change_webhook(
            actor=self.actor, webhook_id=webhook_id, changes=self.body()
        )
        return self.answer(WebhookSerializer, changed)

    @extend_schema(operation_id="deleteWebhook", responses={204: None})
    def destroy(self, request: Request, webhook_id: int) -> Response:
        """Delete a webhook; what waits to be sent to it is dropped."""
        self.body()
        webhooks.delete_webhook(actor=self.actor, webhook_id=webhook_id)
        return Response(status=204)

    @extend_schema(
        operation_id="rotateWebhookSecret", request=None, responses=SecretWebhookSerializer
    )
    def rotate(self, request: Request, webhook_id: int) -> Response:
        """Give a webhook a new secret; for a day messages have a signature by the old one, too."""
        self.body()
        rotated = webhooks.rotate_secret(actor=self.actor, webhook_id=webhook_id)
        return self.answer(SecretWebhookSerializer, rotated)

    @extend_schema(operation_id="pingWebhook", request=None, responses={202: WebhookSerializer})
    def ping(self, request: Request, webhook_id: int) -> Response:
        """Queue a test message, `webhook.ping`; the webhook then has its success or failure."""
        self.body()
        pinged = webhooks.ping_webhook(actor=self.actor, webhook_id=webhook_id)
        return self.answer(WebhookSerializer, pinged, status=202)


def _knows(request: Request, head: FeedHead, after: int) -> bool:
    """Return whether `If-None-Match`, strong or weak, has what a request would be answered.

    It has the study's version, and the cursor of the request that was answered then. With another
    cursor there may be events that were not answered, unless this one is that of the last event.
    """
    given = parse_etags(request.META.get("HTTP_IF_NONE_MATCH", ""))
    parts = [each.removeprefix("W/").strip('"').rpartition("-") for each in given]
    return any(
        version == head.version and (after == head.last or cursor == str(after))
        for version, _, cursor in parts
    )

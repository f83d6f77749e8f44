"""The base class of the API's views: strict queries and bodies, pagination."""

import weakref
from collections.abc import Callable, Hashable, Iterable, Mapping
from functools import cache
from io import BytesIO
from typing import Any, ClassVar
from urllib.parse import urlencode

from django.http import HttpResponseBase
from django.utils.encoding import escape_uri_path
from rest_framework import serializers, viewsets
from rest_framework.request import Request
from rest_framework.response import Response

from tuner_project.rest.bounds.thread_shares import thread_shares
from tuner_project.rest.parsers import StrictJSONParser
from tuner_project.rest.serializers import EmptySerializer


@cache
def _instances(classes: tuple[type, ...]) -> tuple[Any, ...]:
    """Return cached instances of DRF's policy classes; ours keep nothing of a request."""
    return tuple(each() for each in classes)


@cache
def _instance(shape: type[serializers.Serializer[Any]]) -> serializers.Serializer[Any]:
    """Return a cached instance of a serializer class, as each new instance copies its fields."""
    return shape()


class ApiViewSet(viewsets.GenericViewSet[Any]):
    """Base class that validates an action's query parameters before the action runs.

    `query_serializers` maps an action to the serializer of its query; an action without one accepts
    no query keys. `scopes` maps an action to its required scope, by default `read` for reads and
    `manage` for the rest; `staff_permission` is the permission that a staff session needs. `heavy`
    are the actions that may take seconds, of which one caller cannot hold all threads.
    `shared` are the actions that links for a single page may request.
    `problem_causes` is for the OpenAPI document: further causes of a status, by action and status.
    """

    scopes: ClassVar[dict[str, str]] = {}
    staff_permission: ClassVar[str] = ""
    query_serializers: ClassVar[dict[str, type[serializers.Serializer[Any]]]] = {}
    heavy: ClassVar[frozenset[str]] = frozenset()
    repeatable: ClassVar[frozenset[str]] = frozenset()
    shared: ClassVar[frozenset[str]] = frozenset()
    problem_causes: ClassVar[dict[str, dict[str, str]]] = {}
    query: dict[str, Any]
    _end_heavy: Callable[[], None] | None = None  # of a heavy request

    @property
    def default_response_headers(self) -> dict[str, str]:
        methods = (method for method in self.http_method_names if method in self.action_map)
        return {"Allow": ", ".join(each.upper() for each in (*methods, "options"))}

    def get_parsers(self) -> Any:
        return _instances(tuple(self.parser_classes))

    def get_renderers(self) -> Any:
        return _instances(tuple(self.renderer_classes))

    def get_authenticators(self) -> Any:
        return _instances(tuple(self.authentication_classes))

    def get_permissions(self) -> Any:
        return _instances(tuple(self.permission_classes))

    def get_throttles(self) -> Any:
        return _instances(tuple(self.throttle_classes))

    def perform_authentication(self, request: Request) -> None:
        """Authenticate and throttle before the permission checks, so that denied requests count."""
        super().perform_authentication(request)
        super().check_throttles(request)

    def check_throttles(self, request: Request) -> None:
        """Do nothing, because `perform_authentication` has checked the throttles already."""

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        self.query = self._valid_query()
        if self.is_heavy():
            self._end_heavy = thread_shares.take(self.caller())

    def dispatch(self, request: Any, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Serve a request; a heavy one counts until its response has been sent, or has failed."""
        try:
            response: Any = super().dispatch(request, *args, **kwargs)
        except BaseException:
            if self._end_heavy is not None:
                self._end_heavy()
            raise
        if self._end_heavy is not None:
            # Django has no public way to learn of the end of a response. A client in the same
            # process may drop one without closing it.
            end = weakref.finalize(response, self._end_heavy)
            response._resource_closers.append(end)  # noqa: SLF001
        return response

    def is_heavy(self) -> bool:
        """Return whether this request may take seconds."""
        return self.action in self.heavy

    def caller(self) -> Hashable:
        """Return who sends the request; heavy requests are counted by caller."""
        return None

    def options(self, request: Any, *args: Any, **kwargs: Any) -> Response:
        """Answer the methods of the path, in the header `Allow`."""
        return Response(status=204)

    def body(self) -> dict[str, Any]:
        """Validate the body of this request, and return its values."""
        shape: Any = self.get_serializer_class()
        return _instance(shape).run_validation(self._content())

    def _content(self) -> Any:
        """Parse the body; DRF's own way looks for forms and files, and takes twice the time."""
        request, sent = self.request, self.request._request
        if sent.META.get("CONTENT_LENGTH") in (None, "", "0"):
            return {}
        parser = self.get_content_negotiator().select_parser(request, self.get_parsers())
        if isinstance(parser, StrictJSONParser):
            return parser.parse(BytesIO(sent.body))
        return request.data

    def _valid_query(self) -> dict[str, Any]:
        shape = self.query_serializers.get(self.action or "")
        if shape is None and not self.request._request.META.get("QUERY_STRING"):
            return {}
        sent = self.request.query_params
        given = dict(sent.lists())
        repeated = [key for key in given.keys() - self.repeatable if len(given[key]) > 1]
        if repeated:
            raise serializers.ValidationError({key: ["given more than once"] for key in repeated})
        query = {key: each if key in self.repeatable else each[-1] for key, each in given.items()}
        return _instance(shape or EmptySerializer).run_validation(query)

    def answer(
        self, shape: type[serializers.Serializer[Any]], content: Any, status: int = 200
    ) -> Response:
        """Return the response with one item, serialized by the class `shape`."""
        return Response(_instance(shape).to_representation(content), status)

    def answer_list(
        self,
        shape: type[serializers.Serializer[Any]],
        contents: Iterable[Any],
        status: int = 200,
    ) -> Response:
        """Return the response with a list of items, each serialized by the class `shape`."""
        represent = _instance(shape).to_representation
        return Response([represent(each) for each in contents], status)

    def answer_page(
        self, shape: type[serializers.Serializer[Any]], contents: Iterable[Any], total: int
    ) -> Response:
        """Return a page of a list, with headers that link to the other pages by offset.

        The next page begins after `contents`, which may be fewer than `limit`.
        """
        query, items = self._query_without("offset"), list(contents)
        offsets, after = self._offsets(total), self.query["offset"] + len(items)
        if items and after < total:
            offsets["next"] = after
        pages = {
            name: {"limit": query["limit"], "offset": start} | query
            for name, start in offsets.items()
        }
        return self._answer_page(shape, items, total, pages)

    def answer_cursor_page(
        self,
        shape: type[serializers.Serializer[Any]],
        contents: Iterable[Any],
        total: int,
        cursor: str | None,
    ) -> Response:
        """Return a page of a list whose next page, if there is one, begins at a cursor."""
        query = self._query_without("offset", "cursor")
        offsets = self._offsets(total) if self.query["offset"] > 0 else {"first": 0}
        pages = {name: query | {"offset": start} for name, start in offsets.items()}
        if cursor is not None:
            pages["next"] = query | {"cursor": cursor}
        return self._answer_page(shape, contents, total, pages)

    def _query_without(self, *keys: str) -> dict[str, Any]:
        """Return the query as it was sent, with its limit, and without the keys that say where."""
        sent = self.request.query_params
        given: dict[str, Any] = {"limit": self.query["limit"], **sent.dict()}
        given |= {key: sent.getlist(key) for key in self.repeatable & given.keys()}
        return {key: text for key, text in given.items() if key not in keys}

    def _answer_page(
        self,
        shape: type[serializers.Serializer[Any]],
        contents: Iterable[Any],
        total: int,
        pages: Mapping[str, Mapping[str, Any]],
    ) -> Response:
        """Return a page with links to others; `pages` maps a relation to the page's query."""
        response = self.answer_list(shape, contents)
        response["X-Total-Count"] = str(total)
        base = self.request.build_absolute_uri(escape_uri_path(self.request.path))
        response["Link"] = ", ".join(
            f'<{base}?{urlencode(query, doseq=True)}>; rel="{name}"'
            for name, query in sorted(pages.items())
        )
        return response

    def _offsets(self, total: int) -> dict[str, int]:
        """Return the offsets at which the first, last and previous page begin."""
        limit, offset = self.query["limit"], self.query["offset"]
        offsets = {"first": 0, "last": max(total - 1, 0) // limit * limit}
        if offset > 0:
            offsets["prev"] = max(offset - limit, 0)
        return offsets

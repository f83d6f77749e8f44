"""The base of the API's views: strict queries, strict bodies, pages."""

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any, ClassVar
from urllib.parse import urlencode

from django.utils.encoding import escape_uri_path
from rest_framework import serializers, viewsets
from rest_framework.request import Request
from rest_framework.response import Response

from tuner_project.rest.serializers import EmptySerializer


@cache
def _instance(shape: type[serializers.Serializer[Any]]) -> serializers.Serializer[Any]:
    """One serializer for all bodies and answers of a shape: each new one copies its fields."""
    return shape()


class ApiViewSet(viewsets.GenericViewSet[Any]):
    """Checks an action's query before it runs.

    `query_serializers` names the query's serializer by action; an action without one takes no
    query keys. `scopes` names the scope that an action needs, by default `read` for reads and
    `manage` for the rest; `staff_permission` is the permission that a staff session needs.
    `problem_causes` is for the OpenAPI document: by action and status, what else may cause it.
    """

    scopes: ClassVar[dict[str, str]] = {}
    staff_permission: ClassVar[str] = ""
    query_serializers: ClassVar[dict[str, type[serializers.Serializer[Any]]]] = {}
    problem_causes: ClassVar[dict[str, dict[str, str]]] = {}
    query: dict[str, Any]

    def perform_authentication(self, request: Request) -> None:
        """Authenticate and throttle before the permissions, so that refused requests count, too."""
        super().perform_authentication(request)
        super().check_throttles(request)

    def check_throttles(self, request: Request) -> None:
        """Do nothing: `perform_authentication` has throttled already."""

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        shape: Any = self.query_serializers.get(self.action or "", EmptySerializer)
        repeated = [key for key, values in request.query_params.lists() if len(values) > 1]
        if repeated:
            raise serializers.ValidationError({key: ["given more than once"] for key in repeated})
        self.query = _instance(shape).run_validation(request.query_params.dict())

    def body(self) -> dict[str, Any]:
        """The validated body of this request."""
        shape: Any = self.get_serializer_class()
        return _instance(shape).run_validation(self.request.data)

    def answer(
        self, shape: type[serializers.Serializer[Any]], content: Any, status: int = 200
    ) -> Response:
        """The answer of one item of this shape."""
        return Response(_instance(shape).to_representation(content), status)

    def answer_list(
        self,
        shape: type[serializers.Serializer[Any]],
        contents: Iterable[Any],
        status: int = 200,
    ) -> Response:
        """The answer of a list of items of this shape."""
        represent = _instance(shape).to_representation
        return Response([represent(each) for each in contents], status)

    def answer_page(
        self, shape: type[serializers.Serializer[Any]], contents: Iterable[Any], total: int
    ) -> Response:
        """One page of a list, with headers that lead to the others."""
        query = {key: value for key, value in self.query.items() if value is not None}
        pages = {name: query | {"offset": start} for name, start in self._offsets(total).items()}
        return self._answer_page(shape, contents, total, pages)

    def answer_cursor_page(
        self,
        shape: type[serializers.Serializer[Any]],
        contents: Iterable[Any],
        total: int,
        cursor: str | None,
    ) -> Response:
        """One page of a list whose next page, if there is one, begins at a cursor."""
        given = {"limit": self.query["limit"], **self.request.query_params.dict()}
        query = {key: text for key, text in given.items() if key not in ("offset", "cursor")}
        offsets = self._offsets(total) if self.query["offset"] > 0 else {"first": 0}
        pages = {name: query | {"offset": start} for name, start in offsets.items()}
        pages.pop("next", None)
        if cursor is not None:
            pages["next"] = query | {"cursor": cursor}
        return self._answer_page(shape, contents, total, pages)

    def _answer_page(
        self,
        shape: type[serializers.Serializer[Any]],
        contents: Iterable[Any],
        total: int,
        pages: Mapping[str, Mapping[str, Any]],
    ) -> Response:
        """A page with links to others, each by its query."""
        response = self.answer_list(shape, contents)
        response["X-Total-Count"] = str(total)
        base = self.request.build_absolute_uri(escape_uri_path(self.request.path))
        response["Link"] = ", ".join(
            f'<{base}?{urlencode(query)}>; rel="{name}"' for name, query in sorted(pages.items())
        )
        return response

    def _offsets(self, total: int) -> dict[str, int]:
        """The offsets at which the other pages begin, by relation."""
        limit, offset = self.query["limit"], self.query["offset"]
        offsets = {"first": 0, "last": max(total - 1, 0) // limit * limit}
        if offset > 0:
            offsets["prev"] = max(offset - limit, 0)
        if offset + limit < total:
            offsets["next"] = offset + limit
        return offsets

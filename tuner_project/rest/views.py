"""What all views of the API share: strict queries, strict bodies, pages."""

from collections.abc import Iterable
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
    query keys.
    """

    query_serializers: ClassVar[dict[str, type[serializers.Serializer[Any]]]] = {}
    query: dict[str, Any]

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
        """An answer of this shape."""
        return Response(_instance(shape).to_representation(content), status)

    def answer_list(
        self,
        shape: type[serializers.Serializer[Any]],
        contents: Iterable[Any],
        status: int = 200,
    ) -> Response:
        """An answer that lists items of this shape."""
        represent = _instance(shape).to_representation
        return Response([represent(each) for each in contents], status)

    def answer_page(
        self, shape: type[serializers.Serializer[Any]], contents: Iterable[Any], total: int
    ) -> Response:
        """One page of a list, with the headers that tell of the others."""
        response = self.answer_list(shape, contents)
        response["X-Total-Count"] = str(total)
        links = self._links(total)
        if links:
            response["Link"] = ", ".join(f'<{url}>; rel="{name}"' for name, url in links.items())
        return response

    def _links(self, total: int) -> dict[str, str]:
        limit, offset = self.query["limit"], self.query["offset"]
        last = max(total - 1, 0) // limit * limit
        offsets = {"first": 0, "last": last}
        if offset > 0:
            offsets["prev"] = max(offset - limit, 0)
        if offset + limit < total:
            offsets["next"] = offset + limit
        base = self.request.build_absolute_uri(escape_uri_path(self.request.path))
        query = {key: value for key, value in self.query.items() if value is not None}
        return {
            name: f"{base}?{urlencode(query | {'offset': start})}"
            for name, start in sorted(offsets.items())
        }

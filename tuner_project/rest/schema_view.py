"""The view of the OpenAPI document, which is rendered once per process: it needs no token."""

from functools import cache
from typing import Any

from django.http import HttpResponse
from drf_spectacular.renderers import OpenApiYamlRenderer
from drf_spectacular.settings import spectacular_settings
from drf_spectacular.utils import extend_schema
from drf_spectacular.views import SpectacularAPIView
from rest_framework.request import Request

_MEDIA_TYPE = f"{OpenApiYamlRenderer.media_type}; charset=utf-8"


class SchemaView(SpectacularAPIView):
    """Serve the same document for every query string."""

    throttle_classes = ()

    @extend_schema(exclude=True)
    def get(self, request: Request, *args: Any, **kwargs: Any) -> HttpResponse:
        response = HttpResponse(_document(), content_type=_MEDIA_TYPE)
        name = self._get_filename(request, None)
        response["Content-Disposition"] = f'inline; filename="{name}"'
        return response


@cache
def _document() -> bytes:
    document = spectacular_settings.DEFAULT_GENERATOR_CLASS().get_schema(public=True)
    rendered: bytes = OpenApiYamlRenderer().render(document)
    return rendered

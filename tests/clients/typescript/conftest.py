"""The compiled TypeScript client; its tests are skipped where Node is missing."""

from pathlib import Path

import pytest
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.renderers import OpenApiJsonRenderer

from tests.support.typescript_client import build, missing_tools


@pytest.fixture(scope="session")
def _compiled() -> None:
    if missing := missing_tools():
        pytest.skip(missing)
    build()


@pytest.fixture(scope="session")
def openapi(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The OpenAPI document of this version, as a file."""
    file = tmp_path_factory.mktemp("openapi") / "openapi.json"
    document = SchemaGenerator().get_schema(request=None, public=True)
    file.write_bytes(OpenApiJsonRenderer().render(document))
    return file

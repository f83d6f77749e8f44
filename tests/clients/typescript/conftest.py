"""The compiled TypeScript client, the OpenAPI document, and a service for it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.renderers import OpenApiJsonRenderer

from tests.support.service import Service, running_service_on_tests_server
from tests.support.typescript_client import build, missing_tools

UNLIMITED = {"RATE_LIMIT_ADDRESS_READS": "0", "RATE_LIMIT_ADDRESS_WRITES": "0"}


@pytest.fixture(scope="session")
def _compiled() -> None:
    """Compile the client, or skip the tests where Node is missing."""
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


@pytest.fixture(scope="session")
def service(_compiled: None, django_db_setup: None) -> Iterator[Service]:
    with running_service_on_tests_server(UNLIMITED) as service:
        yield service

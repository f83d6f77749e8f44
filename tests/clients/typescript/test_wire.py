"""The TypeScript client beside the API: operations, types, error codes, retries."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from optuna_bridge.samplers.registry import missing_samplers
from tests.support.typescript_client import PACKAGE, run, run_tests
from tuner_project import urls  # the views, which define some errors
from tuner_project.errors import DomainError

pytestmark = pytest.mark.usefixtures("_compiled")


def test_operations_are_sent_as_openapi_describes(openapi: Path) -> None:
    run_tests("operations", OPENAPI=str(openapi))


def test_error_codes_have_classes() -> None:
    assert urls.urlpatterns
    codes = {each.code: each.status for each in _subclasses(DomainError)}

    run_tests("errors", CODES=json.dumps(codes))


def test_requests_are_repeated_where_that_is_harmless() -> None:
    run_tests("retries", "urls")


def test_generated_types_are_in_step_with_openapi(openapi: Path, tmp_path: Path) -> None:
    if missing := missing_samplers():
        pytest.skip(f"the document describes an incomplete installation: {missing}")
    generated = tmp_path / "openapi.gen.ts"

    run("node", "scripts/generate.mjs", str(openapi), str(generated))

    checked_in = PACKAGE / "src" / "openapi.gen.ts"
    hint = "the API has changed: run `make typescript-types`"
    assert generated.read_text() == checked_in.read_text(), hint


def _subclasses(error: type[DomainError]) -> Iterator[type[DomainError]]:
    for each in error.__subclasses__():
        yield each
        yield from _subclasses(each)

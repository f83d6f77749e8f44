"""The OpenAPI document's links, followed with a token."""

from collections import Counter
from typing import Any

import pytest
import schemathesis
from django.conf import settings as django_settings
from drf_spectacular.generators import SchemaGenerator
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import not_a_server_error
from schemathesis.generation.stateful import run_state_machine_as_test
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from access.domain.tokens import create_token
from access.scopes import Scope
from studies.domain import delete_studies
from studies.models import Study
from tests.support import scaled
from tests.support.study_builders import COMMAND
from tuner_project.extensions import OPENAPI_LINKS as LINKS
from tuner_project.wsgi import application

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning"),
]
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
Answers = Counter[tuple[str, int]]
# What is made up for these is seldom valid, and a walk needs a study and told trials.
VALID: dict[str, dict[str, Any]] = {
    "createStudy": {"search_space": [{"type": "float", "name": "x", "low": 0.0, "high": 1.0}]},
    "suggestTrial": {},
    "suggestTrials": {"count": 2},
    "reportTrial": {"step": 1, "value": 0.5},
    "completeTrial": {"values": 0.5},
    "failTrial": {"reason": "no"},
    "pruneTrial": {},
}


def test_links_name_existing_operations_and_parameters() -> None:
    document = SchemaGenerator().get_schema(request=None, public=True)
    operations = {
        operation["operationId"]: operation
        for methods in document["paths"].values()
        for operation in methods.values()
    }
    for (source, status), leads_to in LINKS.items():
        assert set(operations[source]["responses"][status]["links"]) == set(leads_to)
        for target, parameters in leads_to.items():
            needed = {
                each["name"] for each in operations[target]["parameters"] if each["in"] == "path"
            }
            assert set(parameters) == needed


def operation_id(case: Any) -> str:
    return str(case.operation.definition.raw["operationId"])


def walk(examples: int, steps: int, monkeypatch: pytest.MonkeyPatch) -> Answers:
    """Play sequences of calls that are made up from the document; what was answered, how often."""
    key = create_token(actor=COMMAND, name="walker", scope=Scope.MANAGE)[1]
    monkeypatch.setattr(django_settings, "AUTH_REQUIRED", True)
    schema = schemathesis.openapi.from_wsgi("/api/v1/schema", application)
    answers: Answers = Counter()
    calls: Counter[str] = Counter()

    class Walk(schema.as_state_machine()):  # type: ignore[misc]
        def setup(self) -> None:
            # What a walk meets depends on itself alone.
            delete_studies(actor=COMMAND, studies=Study.objects.all())
            calls.clear()

        def before_call(self, case: Any) -> None:
            name = operation_id(case)
            calls[name] += 1
            if name in VALID and calls[name] % 4:
                case.body = dict(VALID[name])
                if name == "createStudy":
                    case.body["name"] = f"walk {calls[name]}"

        def get_call_kwargs(self, case: Any) -> dict[str, Any]:
            return {"headers": {"Authorization": f"Bearer {key}"}}

        def validate_response(self, response: Any, case: Any, *args: Any, **kwargs: Any) -> None:
            answers[operation_id(case), response.status_code] += 1
            case.validate_response(response, checks=CHECKS)

    run_state_machine_as_test(
        Walk,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            derandomize=True,
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )
    return answers


@pytest.mark.accept
def test_random_walks_meet_no_server_error(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = walk(scaled(60, 10), 20, monkeypatch)
    print(sorted(answers.items()))

    targets = {name for leads_to in LINKS.values() for name in leads_to}
    called = {operation for operation, _ in answers}
    assert len(targets & called) > 0.8 * len(targets)
    # Nothing but a link leads to a study that is there.
    served = sum(answers[target, status] for target in targets for status in (200, 201, 204))
    assert served >= scaled(20, 3)
    assert not any(status in (401, 403) or status >= 500 for _, status in answers)

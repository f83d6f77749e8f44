"""The OpenAPI document: valid, readable, and in agreement with every answer."""

import re
from collections import Counter
from functools import cache
from typing import Any

import pytest
import schemathesis
from django.conf import settings as django_settings
from django.test import Client
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.validation import validate_schema
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rest_framework.test import APIClient
from schemathesis.checks import not_a_server_error
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from access.domain.tokens import create_token
from access.scopes import Scope
from analysis.plots.catalogue import KINDS
from tests.support.study_builders import COMMAND
from tuner_project.wsgi import application

pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")

# What it makes up for the files of studies is sent as it is.
for media_type in ("application/x-ndjson", "application/jsonl"):
    schemathesis.serializer.alias(media_type, "text/plain")

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
OPERATIONS = {
    "addTrials",
    "cancelStudy",
    "cancelTrial",
    "cloneStudy",
    "completeStudy",
    "completeTrial",
    "completeTrials",
    "createStudy",
    "deleteStudy",
    "exportStudy",
    "failTrial",
    "getAdvice",
    "getBestTrial",
    "getHealth",
    "getHistory",
    "getHypervolume",
    "getImportance",
    "getPlot",
    "getProgress",
    "getReadiness",
    "getStudy",
    "getTrial",
    "importStudies",
    "listParetoFront",
    "listStudies",
    "listTrials",
    "pauseStudy",
    "pruneTrial",
    "renewLease",
    "reportTrial",
    "resumeStudy",
    "suggestTrial",
    "suggestTrials",
    "updateStudy",
}


def document() -> Any:
    return SchemaGenerator().get_schema(request=None, public=True)


def operations() -> list[dict[str, Any]]:
    return [operation for path in document()["paths"].values() for operation in path.values()]


def test_document_is_valid_openapi() -> None:
    validate_schema(document())


def test_operations_have_unique_readable_names() -> None:
    names = Counter(operation["operationId"] for operation in operations())
    assert names.keys() >= OPERATIONS
    assert set(names.values()) == {1}
    assert all(re.fullmatch(r"[a-z]+([A-Z][a-z]+)+", name) for name in names)


def test_operations_have_descriptions_and_problems() -> None:
    for operation in operations():
        assert operation["description"]
        assert operation["tags"]
        for status, response in operation["responses"].items():
            if status in ("400", "404", "409", "415"):
                schema = response["content"]["application/problem+json"]["schema"]
                assert schema == {"$ref": "#/components/schemas/Problem"}


def test_document_has_all_options_of_samplers_and_pruners() -> None:
    schemas = document()["components"]["schemas"]
    assert {
        name: sorted(schema["properties"])
        for name, schema in schemas.items()
        if re.fullmatch(r"\w+(Sampler|Pruner)Options", name) and "properties" in schema
    } == {
        "AutoSamplerOptions": ["seed"],
        "TpeSamplerOptions": [
            "constant_liar",
            "group",
            "multivariate",
            "n_ei_candidates",
            "n_startup_trials",
            "seed",
        ],
        "GpSamplerOptions": ["deterministic_objective", "n_startup_trials", "seed"],
        "RandomSamplerOptions": ["seed"],
        "NsgaiiSamplerOptions": [
            "crossover_prob",
            "mutation_prob",
            "population_size",
            "seed",
            "swapping_prob",
        ],
        "NsgaiiiSamplerOptions": [
            "crossover_prob",
            "dividing_parameter",
            "mutation_prob",
            "population_size",
            "seed",
            "swapping_prob",
        ],
        "CmaesSamplerOptions": [
            "consider_pruned_trials",
            "lr_adapt",
            "n_startup_trials",
            "popsize",
            "seed",
            "sigma0",
            "use_separable_cma",
            "with_margin",
        ],
        "BruteForceSamplerOptions": ["seed"],
        "GridSamplerOptions": ["n_values", "seed"],
        "QmcSamplerOptions": ["qmc_type", "scramble", "seed"],
        "HyperbandPrunerOptions": [
            "bootstrap_count",
            "max_resource",
            "min_delta",
            "min_resource",
            "patience",
            "reduction_factor",
        ],
        "MedianPrunerOptions": [
            "interval_steps",
            "min_delta",
            "n_min_trials",
            "n_startup_trials",
            "n_warmup_steps",
            "patience",
        ],
        "SuccessiveHalvingPrunerOptions": [
            "bootstrap_count",
            "min_delta",
            "min_early_stopping_rate",
            "min_resource",
            "patience",
            "reduction_factor",
        ],
        "PercentilePrunerOptions": [
            "interval_steps",
            "min_delta",
            "n_min_trials",
            "n_startup_trials",
            "n_warmup_steps",
            "patience",
            "percentile",
        ],
        "ThresholdPrunerOptions": [
            "interval_steps",
            "lower",
            "min_delta",
            "n_warmup_steps",
            "patience",
            "upper",
        ],
        "WilcoxonPrunerOptions": ["min_delta", "n_startup_steps", "p_threshold", "patience"],
        "PatientPrunerOptions": ["min_delta", "patience"],
    }


def test_schema_is_served(db: None) -> None:
    response = Client().get("/api/v1/schema")
    assert response.status_code == 200
    assert response["Content-Type"] == "application/vnd.oai.openapi; charset=utf-8"
    assert b"operationId: createStudy" in response.content


def test_schema_is_generated_once(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Any client may ask for it, and it takes some tenths of a second of CPU time to make."""
    first = Client().get("/api/v1/schema").content
    made: list[object] = []
    monkeypatch.setattr(SchemaGenerator, "get_schema", lambda *args, **more: made.append(args))
    for query in ("", "?lang=de", "?version=2", "?a=1", "?format=json"):
        assert Client().get(f"/api/v1/schema{query}").content == first
    assert made == []


def test_docs_page_loads_nothing_from_other_hosts(db: None) -> None:
    client = Client()
    page = client.get("/api/v1/docs")
    assert page.status_code == 200
    text = page.content.decode()
    addresses = re.findall(r"""(?:src|href)=["']([^"']+)["']""", text)
    assert any("swagger-ui" in address for address in addresses)
    assert [each for each in addresses if "//" in each] == []
    assert re.findall(r"https?://(?!testserver)[^\s\"'<]+", text) == []
    for address in addresses:
        response = client.get(address)
        assert response.status_code == 200
        assert b"".join(response)
        response.close()


# Whatever a client may send by the document ----------------------------------------------


@pytest.fixture
def key(api: APIClient) -> str:
    return create_token(actor=COMMAND, name="wire", scope=Scope.MANAGE)[1]


@pytest.fixture
def wire(api: APIClient, key: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The document as it is served, over studies that are at different points of their lives.

    From then on a token is needed.
    """
    space = [
        {"type": "float", "name": "x", "low": 0.0, "high": 1.0},
        {"type": "categorical", "name": "c", "choices": ["a", True, 1.5]},
    ]
    for name, direction in (("one", "minimize"), ("two", ["minimize", "maximize"])):
        body = {"name": name, "direction": direction, "search_space": space, "sampler": "random"}
        assert api.post("/api/v1/studies", body).status_code == 201
        trials = [
            {
                "params": {"x": number / 4, "c": ["a", True, 1.5][number]},
                "state": "COMPLETE",
                "values": number if name == "one" else [number, number],
            }
            for number in range(3)
        ]
        assert api.post(f"/api/v1/studies/{name}/trials", trials).status_code == 201
        assert api.post(f"/api/v1/studies/{name}/trials/suggest").status_code == 200
    monkeypatch.setattr(django_settings, "AUTH_REQUIRED", True)
    return _wire_schema()


@cache
def _wire_schema() -> Any:
    """The document, which takes half a second to be read."""
    return schemathesis.openapi.from_wsgi("/api/v1/schema", application)


@pytest.mark.django_db(transaction=True)  # as in production, a request's end closes the connection
@pytest.mark.parametrize("operation_id", sorted(OPERATIONS))
@settings(
    max_examples=6,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
@given(data=st.data())
def test_answers_match_the_document(
    wire: Any, key: str, operation_id: str, data: st.DataObject
) -> None:
    operation = wire.find_operation_by_id(operation_id)
    mode = data.draw(st.sampled_from(GenerationMode))
    case = data.draw(operation.as_strategy(generation_mode=mode))
    if "study_name" in case.path_parameters and data.draw(st.integers(0, 3)):
        case.path_parameters["study_name"] = data.draw(st.sampled_from(["one", "two"]))
    if "trial_id" in case.path_parameters and data.draw(st.integers(0, 3)):
        case.path_parameters["trial_id"] = data.draw(st.integers(0, 4))
    if data.draw(st.integers(0, 9)):  # else with what is made up for a token, or none
        case.headers = {**(case.headers or {}), "Authorization": f"Bearer {key}"}
    case.call_and_validate(checks=CHECKS)


@pytest.mark.django_db(transaction=True)
def test_plots_match_the_document(wire: Any, key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BROWSER_PATH", "/nowhere")  # so that an image is a problem, and soon
    operation = wire.find_operation_by_id("getPlot")
    monkeypatch.setattr(django_settings, "WEB_THREADS", 256)  # these responses are never closed
    for kind in KINDS:
        for shape, status in (("json", 200), ("html", 200), ("png", 406), ("svg", 406)):
            where = {"study_name": "two", "kind": kind}
            headers = {"Authorization": f"Bearer {key}"}
            case = operation.Case(path_parameters=where, query={"format": shape}, headers=headers)
            assert case.call_and_validate(checks=CHECKS).status_code == status

"""The example studies: each is created as it stands, and its trials are within its space."""

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from rest_framework.test import APIClient

from tests.support import JSON, ROOT
from tests.support.api_client import (
    STUDIES,
    assert_schemas_agree,
    complete,
    create_study,
    suggest_batch,
)

FILES = {each.stem: each for each in sorted((ROOT / "docs/studies").glob("*.json"))}
N_TRIALS = 50
Params = Mapping[str, Any]
# For each study, the parameters that a trial has besides those that all have.
CONDITIONAL: dict[str, Callable[[Params], set[str]]] = {
    "choice-of-model": lambda p: {
        "svm": {"svm.C", "svm.kernel"}
        | ({"svm.gamma"} if p.get("svm.kernel") in ("rbf", "poly") else set())
        | ({"svm.degree"} if p.get("svm.kernel") == "poly" else set()),
        "forest": {"forest.trees", "forest.depth"},
        "linear": {"linear.penalty", "linear.alpha"}
        | ({"linear.l1_ratio"} if p.get("linear.penalty") == "elasticnet" else set()),
    }[p["model"]],
    "compact-network": lambda p: (
        {"normalisation"} if p["skip_connections"] and p["layers"] >= 4 else set()
    ),
    "database-settings": lambda p: {"jit_above_cost"} if p["jit"] else set(),
    "fine-tuning": lambda p: (
        {"lora.rank", "lora.alpha", "lora.dropout"} if p["method"] == "lora" else set()
    ),
    "gradient-boosting": lambda p: {"rate_drop", "skip_drop"} if p["booster"] == "dart" else set(),
    "image-classifier": lambda p: {
        "adamw": {"beta2"},
        "sgd": {"momentum", "nesterov"},
        "rmsprop": {"momentum"},
    }[p["optimizer"]],
    "inference-serving": lambda p: (
        ({"group_size"} if p["quantization"] == "int4" else set())
        | ({"draft_tokens"} if p["speculative"] else set())
    ),
    "layer-by-layer": lambda p: (
        {f"units_{i}" for i in range(2, p["layers"] + 1)}
        | ({"dropout"} if p["layers"] >= 2 else set())
    ),
    "search-pipeline": lambda p: {"rerank_depth"} if p["reranker"] != "none" else set(),
}
# What the constraints between parameters say, in Python.
SATISFIED: dict[str, Callable[[Params], bool]] = {
    "compact-network": lambda p: (
        p["layers"] * p["width"] <= 4096
        and p["early_exit.low"] < p["early_exit.high"]
        and p["width"] / p["heads"] >= 32
    ),
    "database-settings": lambda p: (
        p["shared_buffers_mb"] + p["work_mem_mb"] * p["max_connections"] <= 24576
    ),
    "fine-tuning": lambda p: (
        p["per_device_batch_size"] * p["gradient_accumulation"] <= 128
        and p.get("lora.rank", 0) <= p.get("lora.alpha", 0)
    ),
    "gradient-boosting": lambda p: p["num_leaves"] <= 48 * p["max_depth"],
    "inference-serving": lambda p: p["tensor_parallel"] * p["pipeline_parallel"] <= 8,
    "mixture-of-data": lambda p: (
        p["web"] + p["code"] + p["books"] + p["dialogue"] <= 1
        and p["web"] >= p["books"]
        and p["code"] + p["dialogue"] >= 0.1
    ),
    "reinforcement-learning": lambda p: p["minibatch"] <= p["n_steps"],
    "search-pipeline": lambda p: (
        p["weight.lexical"] + p["weight.dense"] + p["weight.recency"] <= 1
        and p.get("rerank_depth", 0) <= p["candidates"]
    ),
}


def definition(file: Path) -> JSON:
    found: JSON = json.loads(file.read_text())
    return found


def within(parameter: JSON, value: Any) -> bool:
    listed = parameter.get("choices", parameter.get("values"))
    return value in listed if listed else parameter["low"] <= value <= parameter["high"]


def result(study: JSON, number: int) -> JSON:
    """The body of a tell: some values, and what the study's constraints need."""
    values = [number % 7 + 0.25 * axis for axis in range(len(study.get("metric_names", [0])))]
    body: JSON = {"values": values if len(values) > 1 else values[0]}
    if names := study.get("constraints"):
        body["constraints"] = dict.fromkeys(names, number % 3 - 1)
    return body


def trials(api: APIClient, study: JSON) -> Iterator[JSON]:
    """Ask for the trials in batches, and tell a result of each."""
    asked = 0
    while asked < N_TRIALS:
        found = suggest_batch(api, min(10, N_TRIALS - asked), study["name"])
        asked += len(found)
        for each in found:
            complete(api, study["name"], each["trial_id"], **result(study, each["trial_id"]))
        yield from found


def check(api: APIClient, file: Path, **changed: Any) -> set[str]:
    """Run a study, and return the parameters that its trials had."""
    study = definition(file)
    assert study["name"] == file.stem
    create_study(api, **study | changed)
    always = {each["name"] for each in study["search_space"] if "when" not in each}
    by_name = {each["name"]: each for each in study["search_space"]}
    seen: set[str] = set()
    for each in trials(api, study):
        params = each["params"]
        sometimes = CONDITIONAL.get(file.stem, lambda p: set())(params)
        assert params.keys() == always | sometimes, each
        assert all(within(by_name[name], value) for name, value in params.items()), each
        assert SATISFIED.get(file.stem, lambda p: True)(params), each
        seen |= params.keys()
    assert api.get(f"{STUDIES}/{study['name']}").json()["trial_counts"]["COMPLETE"] == N_TRIALS
    assert_schemas_agree(study["name"])
    return seen


@pytest.mark.parametrize("file", FILES.values(), ids=FILES)
def test_trials_of_example_study_are_within_its_space(api: APIClient, file: Path) -> None:
    seen = check(api, file, sampler="random", sampler_options={"seed": 1})
    assert seen == {each["name"] for each in definition(file)["search_space"]}


@pytest.mark.accept
@pytest.mark.parametrize("file", FILES.values(), ids=FILES)
def test_trials_of_example_study_as_it_stands(api: APIClient, file: Path) -> None:
    check(api, file)


def test_example_studies_are_listed() -> None:
    page = (ROOT / "docs/studies/README.md").read_text()
    assert {name for name in FILES if f"]({name}.json)" in page} == FILES.keys()

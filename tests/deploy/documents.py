"""What the files of deploy/ and compose.yaml say."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
KUBERNETES = ROOT / "deploy" / "kubernetes"


def manifests() -> list[tuple[str, dict[str, Any]]]:
    """The name of the file and the resource, of each in deploy/kubernetes but the kustomization."""
    return [
        (file.name, document)
        for file in sorted(KUBERNETES.glob("*.yaml"))
        if file.name != "kustomization.yaml"
        for document in yaml.safe_load_all(file.read_text())
    ]


def kustomization() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load((KUBERNETES / "kustomization.yaml").read_text())
    return document


def of_kind(kind: str) -> list[dict[str, Any]]:
    return [document for _, document in manifests() if document["kind"] == kind]


def the(kind: str) -> dict[str, Any]:
    (document,) = of_kind(kind)
    return document


def pod_templates() -> Iterator[tuple[str, dict[str, Any]]]:
    """The name of the workload and its pods' template."""
    for document in [*of_kind("Deployment"), *of_kind("Job")]:
        yield document["metadata"]["name"], document["spec"]["template"]
    for document in of_kind("CronJob"):
        yield document["metadata"]["name"], document["spec"]["jobTemplate"]["spec"]["template"]


def compose() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
    return document


def documented_variables() -> set[str]:
    """The variables of the service, of which .env.example lists every one."""
    text = (ROOT / ".env.example").read_text()
    return set(re.findall(r"^# ([A-Z][A-Z0-9_]*)=", text, flags=re.MULTILINE))

"""The indexed Job of workers: valid by Kubernetes' schemas, and with one live pod of an index."""

from typing import Any

import kubernetes_validate
import pytest
import yaml

from tests.deploy.test_kubernetes import VERSIONS
from tests.support import ROOT

FILE = ROOT / "deploy" / "workers" / "kubernetes-job.yaml"


@pytest.fixture
def job() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load(FILE.read_text())
    return document


@pytest.mark.parametrize("version", VERSIONS)
def test_worker_job_matches_kubernetes_schemas(version: str, job: dict[str, Any]) -> None:
    kubernetes_validate.validate(job, version, strict=True)


def test_worker_job_has_one_live_pod_of_each_index(job: dict[str, Any]) -> None:
    spec, pod = job["spec"], job["spec"]["template"]["spec"]
    assert spec["completionMode"] == "Indexed"
    assert spec["podReplacementPolicy"] == "Failed"
    assert pod["restartPolicy"] == "Never"  # as podFailurePolicy demands
    assert "hostname" not in pod  # it is $(job-name)-$(index), which names the worker
    assert "hostNetwork" not in pod


def test_worker_job_ignores_the_exit_code_of_the_worker(job: dict[str, Any]) -> None:
    (container,) = job["spec"]["template"]["spec"]["containers"]
    disrupted, left = job["spec"]["podFailurePolicy"]["rules"]
    condition = {"type": "DisruptionTarget", "status": "True"}
    assert disrupted == {"action": "Ignore", "onPodConditions": [condition]}
    assert left == {
        "action": "Ignore",
        "onExitCodes": {"containerName": container["name"], "operator": "In", "values": [75]},
    }
    program = (ROOT / "clients/python/examples" / container["command"][-1]).read_text()
    assert "os._exit(75)" in program

"""The manifests: valid by Kubernetes' schemas, and consistent with the service.

kubernetes-validate carries the schemas of each version of Kubernetes. Two kinds have none there:
the kustomization, and the ServiceMonitor, the Prometheus operator's: see `SERVICE_MONITOR`.
"""

from collections.abc import Iterator
from copy import deepcopy
from functools import cache
from ipaddress import ip_network
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml
from django.core.management import get_commands
from django.urls import resolve

from tests.support import ROOT
from tuner_project import __version__
from tuner_project.extensions import LARGE_BODIES
from tuner_project.serving import gunicorn as gunicorn_settings
from tuner_project.settings import MAX_BODY_BYTES, MAX_IMPORT_BYTES

KUBERNETES = ROOT / "deploy" / "kubernetes"
# The fields of a ServiceMonitor that are used, after the Prometheus operator's documentation.
SERVICE_MONITOR = {
    "type": "object",
    "required": ["apiVersion", "kind", "metadata", "spec"],
    "properties": {
        "apiVersion": {"const": "monitoring.coreos.com/v1"},
        "kind": {"const": "ServiceMonitor"},
        "spec": {
            "type": "object",
            "required": ["selector", "endpoints"],
            "additionalProperties": False,
            "properties": {
                "selector": {
                    "type": "object",
                    "required": ["matchLabels"],
                    "additionalProperties": False,
                    "properties": {"matchLabels": {"type": "object"}},
                },
                "endpoints": {
                    "type": "array",
                    "minItems": 1,
                    "items": {
                        "type": "object",
                        "required": ["port"],
                        "additionalProperties": False,
                        "properties": {
                            "port": {"type": "string"},
                            "path": {"type": "string"},
                            "interval": {"type": "string", "pattern": "^[0-9]+s$"},
                            "scrapeTimeout": {"type": "string", "pattern": "^[0-9]+s$"},
                            "authorization": {
                                "type": "object",
                                "required": ["credentials"],
                                "additionalProperties": False,
                                "properties": {
                                    "type": {"const": "Bearer"},
                                    "credentials": {
                                        "type": "object",
                                        "required": ["name", "key"],
                                        "additionalProperties": False,
                                        "properties": {
                                            "name": {"type": "string"},
                                            "key": {"type": "string"},
                                        },
                                    },
                                },
                            },
                        },
                    },
                },
            },
        },
    },
}


def manifests() -> list[tuple[str, dict[str, Any]]]:
    """The name of the file and the resource, of each in deploy/kubernetes but the kustomization."""
    return deepcopy(_parsed_manifests())


@cache
def _parsed_manifests() -> list[tuple[str, dict[str, Any]]]:
    return [
        (file.name, document)
        for file in sorted(KUBERNETES.glob("*.yaml"))
        if file.name != "kustomization.yaml"
        for document in yaml.safe_load_all(file.read_text())
    ]


def kustomization() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load((KUBERNETES / "kustomization.yaml").read_text())
    return document


def documents_of_kind(kind: str) -> list[dict[str, Any]]:
    return [document for _, document in manifests() if document["kind"] == kind]


def only_document(kind: str) -> dict[str, Any]:
    (document,) = documents_of_kind(kind)
    return document


def service_deployment() -> dict[str, Any]:
    (document,) = [each for each in documents_of_kind("Deployment") if is_served(each)]
    return document


def is_served(deployment: dict[str, Any]) -> bool:
    return bool(deployment["metadata"]["labels"]["app.kubernetes.io/component"] == "service")


def deliver_deployment() -> dict[str, Any]:
    (document,) = [each for each in documents_of_kind("Deployment") if not is_served(each)]
    return document


def pod_templates() -> Iterator[tuple[str, dict[str, Any]]]:
    """The name of the workload and its pods' template."""
    for document in [*documents_of_kind("Deployment"), *documents_of_kind("Job")]:
        yield document["metadata"]["name"], document["spec"]["template"]
    for document in documents_of_kind("CronJob"):
        yield document["metadata"]["name"], document["spec"]["jobTemplate"]["spec"]["template"]


VERSIONS = ["1.31", "1.34", kubernetes_validate.latest_version()]


@pytest.mark.parametrize("version", VERSIONS)
def test_manifests_match_kubernetes_schemas(version: str) -> None:
    for file, document in manifests():
        if document["kind"] != "ServiceMonitor":
            try:
                kubernetes_validate.validate(document, version, strict=True)
            except kubernetes_validate.ValidationError as error:
                pytest.fail(f"{file}: {list(error.path)}: {error.message}")


def test_schema_check_finds_a_misspelt_field() -> None:
    deployment = service_deployment()
    deployment["spec"]["template"]["spec"]["containers"][0]["readOnlyRootFileSystem"] = True
    with pytest.raises(kubernetes_validate.ValidationError, match="readOnlyRootFileSystem"):
        kubernetes_validate.validate(deployment, VERSIONS[-1], strict=True)


def test_service_monitor_matches_the_operators_schema() -> None:
    jsonschema.validate(only_document("ServiceMonitor"), SERVICE_MONITOR)


def test_kustomization_lists_or_explains_each_file() -> None:
    text = (KUBERNETES / "kustomization.yaml").read_text()
    left_out = {"ingress.yaml", "servicemonitor.yaml", "secret.example.yaml"}
    files = {file.name for file in KUBERNETES.glob("*.yaml")} - {"kustomization.yaml"}
    assert set(kustomization()["resources"]) == files - left_out
    assert [name for name in sorted(left_out) if name not in text] == []
    assert kustomization()["namespace"] == only_document("Namespace")["metadata"]["name"]


def test_kustomization_gives_every_container_the_image_of_this_version() -> None:
    (image,) = kustomization()["images"]
    assert image["newTag"] == __version__
    names = {c["image"] for _, template in pod_templates() for c in template["spec"]["containers"]}
    assert names == {image["name"]}


def test_pods_run_restricted() -> None:
    for workload, template in pod_templates():
        pod = template["spec"]
        assert pod["securityContext"] == {
            "runAsNonRoot": True,
            "runAsUser": 10001,
            "runAsGroup": 10001,
            "fsGroup": 10001,
            "seccompProfile": {"type": "RuntimeDefault"},
        }, workload
        assert pod["automountServiceAccountToken"] is False, workload
        assert pod["enableServiceLinks"] is False, workload
        assert pod["serviceAccountName"] == only_document("ServiceAccount")["metadata"]["name"], (
            workload
        )
        for container in pod["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }, workload
            assert [m["mountPath"] for m in container["volumeMounts"]] == ["/tmp"], workload  # noqa: S108
            assert container["resources"]["limits"]["memory"], workload


def test_variables_are_documented(documented_variables: set[str]) -> None:
    variables = {*only_document("ConfigMap")["data"], *only_document("Secret")["stringData"]}
    for _, template in pod_templates():
        for container in template["spec"]["containers"]:
            variables |= {variable["name"] for variable in container.get("env", [])}
            assert container["envFrom"] == [
                {"configMapRef": {"name": only_document("ConfigMap")["metadata"]["name"]}},
                {"secretRef": {"name": only_document("Secret")["metadata"]["name"]}},
            ]
    assert variables - documented_variables == set()


def test_secrets_are_in_the_secret() -> None:
    secret = {"DATABASE_URL", "SECRET_KEY", "METRICS_TOKEN"}
    assert secret <= set(only_document("Secret")["stringData"])
    assert secret & set(only_document("ConfigMap")["data"]) == set()


def test_service_monitor_sends_the_metrics_token() -> None:
    (endpoint,) = only_document("ServiceMonitor")["spec"]["endpoints"]
    resolve(endpoint["path"])
    credentials = endpoint["authorization"]["credentials"]
    assert credentials["name"] == only_document("Secret")["metadata"]["name"]
    assert credentials["key"] in only_document("Secret")["stringData"]


def test_probes_use_urls_of_the_service() -> None:
    (container,) = service_deployment()["spec"]["template"]["spec"]["containers"]
    asked = {name: container[name]["httpGet"]["path"] for name in container if "Probe" in name}
    assert asked == {
        "startupProbe": "/api/v1/health",
        "livenessProbe": "/api/v1/health",
        "readinessProbe": "/api/v1/ready",
    }
    for path in asked.values():
        resolve(path)


def test_selectors_match_only_pods_of_the_service() -> None:
    template = service_deployment()["spec"]["template"]
    selectors = {
        "Deployment": service_deployment()["spec"]["selector"]["matchLabels"],
        "Service": only_document("Service")["spec"]["selector"],
        "PodDisruptionBudget": only_document("PodDisruptionBudget")["spec"]["selector"][
            "matchLabels"
        ],
    }
    for kind, selector in selectors.items():
        chosen = [
            name
            for name, template in pod_templates()
            if selector.items() <= template["metadata"]["labels"].items()
        ]
        assert chosen == ["tuner"], kind
    policy = documents_of_kind("NetworkPolicy")[0]["spec"]["podSelector"]["matchLabels"]
    assert all(policy.items() <= t["metadata"]["labels"].items() for _, t in pod_templates())
    assert (
        template["spec"]["topologySpreadConstraints"][0]["labelSelector"]["matchLabels"]
        == (template["metadata"]["labels"])
    )
    monitored = only_document("ServiceMonitor")["spec"]["selector"]["matchLabels"]
    assert monitored.items() <= only_document("Service")["metadata"]["labels"].items()


def test_ports_agree() -> None:
    (container,) = service_deployment()["spec"]["template"]["spec"]["containers"]
    (port,) = container["ports"]
    assert {v["name"]: v["value"] for v in container["env"]}["PORT"] == str(port["containerPort"])
    (served,) = only_document("Service")["spec"]["ports"]
    assert served["targetPort"] == port["name"]
    for ingress in documents_of_kind("Ingress"):
        (rule,) = ingress["spec"]["rules"]
        assert rule["http"]["paths"][0]["backend"]["service"] == {
            "name": only_document("Service")["metadata"]["name"],
            "port": {"name": served["name"]},
        }
    assert only_document("ServiceMonitor")["spec"]["endpoints"][0]["port"] == served["name"]
    allowed = documents_of_kind("NetworkPolicy")[0]["spec"]["ingress"][0]["ports"]
    assert [each["port"] for each in allowed] == [port["name"]]


def test_ingress_buffers_small_bodies_only() -> None:
    everything, imports = documents_of_kind("Ingress")
    prefix = "nginx.ingress.kubernetes.io/proxy-"
    assert everything["metadata"]["annotations"][f"{prefix}body-size"] == "1m"
    assert MAX_BODY_BYTES == 2**20
    assert imports["metadata"]["annotations"][f"{prefix}body-size"] == "1g"
    assert imports["metadata"]["annotations"][f"{prefix}request-buffering"] == "off"
    (path,) = imports["spec"]["rules"][0]["http"]["paths"]
    assert {f"POST {path['path']}": "MAX_IMPORT_BYTES"} == LARGE_BODIES
    assert MAX_IMPORT_BYTES == 2**30
    assert imports["spec"]["tls"] == everything["spec"]["tls"]
    assert imports["spec"]["rules"][0]["host"] == everything["spec"]["rules"][0]["host"]


def test_autoscaler_sets_the_replicas_of_the_deployment() -> None:
    deployment, autoscaler = service_deployment(), only_document("HorizontalPodAutoscaler")
    assert autoscaler["spec"]["scaleTargetRef"] == {
        "apiVersion": deployment["apiVersion"],
        "kind": "Deployment",
        "name": deployment["metadata"]["name"],
    }
    assert "replicas" not in deployment["spec"]
    assert (
        autoscaler["spec"]["minReplicas"]
        > only_document("PodDisruptionBudget")["spec"]["maxUnavailable"]
    )


def test_default_postgresql_has_connections_for_all_pods() -> None:
    """docs/sizing.md shows the sum."""
    settings = only_document("ConfigMap")["data"]
    n_pods = only_document("HorizontalPodAutoscaler")["spec"]["maxReplicas"]
    surge = service_deployment()["spec"]["strategy"]["rollingUpdate"]["maxSurge"]
    n_processes, n_held = int(settings["WEB_WORKERS"]), int(settings["WEB_THREADS"]) + 1
    n_jobs = len(documents_of_kind("Job")) + len(
        documents_of_kind("CronJob")
    )  # no two of one at once
    n_jobs += deliver_deployment()["spec"]["replicas"]
    assert deliver_deployment()["spec"]["strategy"] == {"type": "Recreate"}
    assert {job["spec"]["concurrencyPolicy"] for job in documents_of_kind("CronJob")} == {"Forbid"}
    total = (n_pods + surge) * (n_processes * n_held + 2) + n_jobs
    text = f"({n_pods} + {surge}) × ({n_processes} × {n_held} + 2) + {n_jobs} = {total} ≤ 97"  # noqa: RUF001
    assert text in (ROOT / "docs" / "sizing.md").read_text()
    assert total <= 97


def test_network_policy_admits_only_proxies_and_prometheus() -> None:
    """Another client could choose its address, since the last proxy's header is trusted."""
    assert only_document("ConfigMap")["data"]["TRUSTED_PROXIES"] == "1"
    (rule,) = documents_of_kind("NetworkPolicy")[0]["spec"]["ingress"]
    (peer,) = rule["from"]
    assert peer == {
        "namespaceSelector": {
            "matchExpressions": [
                {
                    "key": "kubernetes.io/metadata.name",
                    "operator": "In",
                    "values": ["ingress-nginx", "monitoring"],
                }
            ]
        }
    }


def test_only_those_that_deliver_may_call_public_addresses() -> None:
    everybody, deliver = documents_of_kind("NetworkPolicy")
    assert all("to" not in rule for rule in everybody["spec"]["egress"])
    assert {port["port"] for rule in everybody["spec"]["egress"] for port in rule["ports"]} == {
        53,
        5432,
        6432,
    }
    labels = deliver["spec"]["podSelector"]["matchLabels"]
    chosen = [n for n, t in pod_templates() if labels.items() <= t["metadata"]["labels"].items()]
    assert chosen == [deliver_deployment()["metadata"]["name"]]
    (rule,) = deliver["spec"]["egress"]
    assert [port["port"] for port in rule["ports"]] == [80, 443]
    for block in (each["ipBlock"] for each in rule["to"]):
        assert not any(ip_network(each).is_global for each in block["except"])


def test_pods_have_time_for_a_graceful_stop() -> None:
    pod = service_deployment()["spec"]["template"]["spec"]
    _, seconds = pod["containers"][0]["lifecycle"]["preStop"]["exec"]["command"]
    assert pod["terminationGracePeriodSeconds"] > int(seconds) + gunicorn_settings.graceful_timeout


def test_jobs_run_commands_that_exist() -> None:
    known: dict[str, Any] = get_commands()
    jobs = [*documents_of_kind("Job"), *documents_of_kind("CronJob")]
    for workload in [*jobs, deliver_deployment()]:
        name = workload["metadata"]["name"]
        template = dict(pod_templates())[name]
        for container in template["spec"]["containers"]:
            python, manage, command, *_ = container["command"]
            assert (python, manage) == ("python", "manage.py")
            assert command in known, name

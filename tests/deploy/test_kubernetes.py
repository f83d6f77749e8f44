"""The manifests: as Kubernetes' own schemas want them, and as the service is.

kubernetes-validate carries the schemas of each version of Kubernetes. Two kinds have none there:
the kustomization, and the ServiceMonitor, the Prometheus operator's: see `operator_schema.py`.
"""

from typing import Any

import jsonschema
import kubernetes_validate
import pytest
from django.core.management import get_commands
from django.urls import resolve

from tests.deploy.documents import (
    KUBERNETES,
    ROOT,
    documented_variables,
    kustomization,
    manifests,
    of_kind,
    pod_templates,
    the,
)
from tests.deploy.operator_schema import SERVICE_MONITOR
from tuner_project import __version__
from tuner_project.extensions import LARGE_BODIES
from tuner_project.serving import gunicorn as gunicorn_settings
from tuner_project.settings import MAX_BODY_BYTES, MAX_IMPORT_BYTES

VERSIONS = ["1.31", "1.34", kubernetes_validate.latest_version()]


@pytest.mark.parametrize("version", VERSIONS)
def test_manifests_are_what_kubernetes_takes(version: str) -> None:
    for file, document in manifests():
        if document["kind"] != "ServiceMonitor":
            try:
                kubernetes_validate.validate(document, version, strict=True)
            except kubernetes_validate.ValidationError as error:
                pytest.fail(f"{file}: {list(error.path)}: {error.message}")


def test_misspelt_field_is_found() -> None:
    deployment = the("Deployment")
    deployment["spec"]["template"]["spec"]["containers"][0]["readOnlyRootFileSystem"] = True
    with pytest.raises(kubernetes_validate.ValidationError, match="readOnlyRootFileSystem"):
        kubernetes_validate.validate(deployment, VERSIONS[-1], strict=True)


def test_service_monitor_has_the_operators_fields() -> None:
    jsonschema.validate(the("ServiceMonitor"), SERVICE_MONITOR)


def test_kustomization_names_each_file_or_says_when_to() -> None:
    text = (KUBERNETES / "kustomization.yaml").read_text()
    left_out = {"ingress.yaml", "servicemonitor.yaml", "secret.example.yaml"}
    files = {file.name for file in KUBERNETES.glob("*.yaml")} - {"kustomization.yaml"}
    assert set(kustomization()["resources"]) == files - left_out
    assert [name for name in sorted(left_out) if name not in text] == []
    assert kustomization()["namespace"] == the("Namespace")["metadata"]["name"]


def test_kustomization_gives_every_container_the_image_of_this_version() -> None:
    (image,) = kustomization()["images"]
    assert image["newTag"] == __version__
    names = {c["image"] for _, template in pod_templates() for c in template["spec"]["containers"]}
    assert names == {image["name"]}


def test_pods_may_do_nothing_but_serve() -> None:
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
        assert pod["serviceAccountName"] == the("ServiceAccount")["metadata"]["name"], workload
        for container in pod["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }, workload
            assert [m["mountPath"] for m in container["volumeMounts"]] == ["/tmp"], workload  # noqa: S108
            assert container["resources"]["limits"]["memory"], workload


def test_variables_are_those_of_the_service() -> None:
    variables = {*the("ConfigMap")["data"], *the("Secret")["stringData"]}
    for _, template in pod_templates():
        for container in template["spec"]["containers"]:
            variables |= {variable["name"] for variable in container.get("env", [])}
            assert container["envFrom"] == [
                {"configMapRef": {"name": the("ConfigMap")["metadata"]["name"]}},
                {"secretRef": {"name": the("Secret")["metadata"]["name"]}},
            ]
    assert variables - documented_variables() == set()


def test_secrets_are_in_the_secret() -> None:
    secret = {"DATABASE_URL", "SECRET_KEY", "METRICS_TOKEN"}
    assert secret <= set(the("Secret")["stringData"])
    assert secret & set(the("ConfigMap")["data"]) == set()


def test_prometheus_asks_for_the_metrics_with_their_token() -> None:
    (endpoint,) = the("ServiceMonitor")["spec"]["endpoints"]
    resolve(endpoint["path"])
    credentials = endpoint["authorization"]["credentials"]
    assert credentials["name"] == the("Secret")["metadata"]["name"]
    assert credentials["key"] in the("Secret")["stringData"]


def test_probes_ask_urls_of_the_service() -> None:
    (container,) = the("Deployment")["spec"]["template"]["spec"]["containers"]
    asked = {name: container[name]["httpGet"]["path"] for name in container if "Probe" in name}
    assert asked == {
        "startupProbe": "/api/v1/health",
        "livenessProbe": "/api/v1/health",
        "readinessProbe": "/api/v1/ready",
    }
    for path in asked.values():
        resolve(path)


def test_selectors_choose_the_pods_of_the_service_alone() -> None:
    template = the("Deployment")["spec"]["template"]
    selectors = {
        "Deployment": the("Deployment")["spec"]["selector"]["matchLabels"],
        "Service": the("Service")["spec"]["selector"],
        "PodDisruptionBudget": the("PodDisruptionBudget")["spec"]["selector"]["matchLabels"],
    }
    for kind, selector in selectors.items():
        chosen = [
            name
            for name, template in pod_templates()
            if selector.items() <= template["metadata"]["labels"].items()
        ]
        assert chosen == ["tuner"], kind
    policy = the("NetworkPolicy")["spec"]["podSelector"]["matchLabels"]
    assert all(policy.items() <= t["metadata"]["labels"].items() for _, t in pod_templates())
    assert (
        template["spec"]["topologySpreadConstraints"][0]["labelSelector"]["matchLabels"]
        == (template["metadata"]["labels"])
    )
    monitored = the("ServiceMonitor")["spec"]["selector"]["matchLabels"]
    assert monitored.items() <= the("Service")["metadata"]["labels"].items()


def test_ports_agree() -> None:
    (container,) = the("Deployment")["spec"]["template"]["spec"]["containers"]
    (port,) = container["ports"]
    assert {v["name"]: v["value"] for v in container["env"]}["PORT"] == str(port["containerPort"])
    (served,) = the("Service")["spec"]["ports"]
    assert served["targetPort"] == port["name"]
    for ingress in of_kind("Ingress"):
        (rule,) = ingress["spec"]["rules"]
        assert rule["http"]["paths"][0]["backend"]["service"] == {
            "name": the("Service")["metadata"]["name"],
            "port": {"name": served["name"]},
        }
    assert the("ServiceMonitor")["spec"]["endpoints"][0]["port"] == served["name"]
    allowed = the("NetworkPolicy")["spec"]["ingress"][0]["ports"]
    assert [each["port"] for each in allowed] == [port["name"]]


def test_ingress_buffers_small_bodies_only() -> None:
    everything, imports = of_kind("Ingress")
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


def test_autoscaler_scales_the_deployment_which_says_no_number() -> None:
    deployment, autoscaler = the("Deployment"), the("HorizontalPodAutoscaler")
    assert autoscaler["spec"]["scaleTargetRef"] == {
        "apiVersion": deployment["apiVersion"],
        "kind": "Deployment",
        "name": deployment["metadata"]["name"],
    }
    assert "replicas" not in deployment["spec"]
    assert autoscaler["spec"]["minReplicas"] > the("PodDisruptionBudget")["spec"]["maxUnavailable"]


def test_default_postgresql_carries_as_many_pods_as_there_may_be() -> None:
    """docs/sizing.md shows the sum."""
    settings = the("ConfigMap")["data"]
    n_pods = the("HorizontalPodAutoscaler")["spec"]["maxReplicas"]
    surge = the("Deployment")["spec"]["strategy"]["rollingUpdate"]["maxSurge"]
    n_processes, n_held = int(settings["WEB_WORKERS"]), int(settings["WEB_THREADS"]) + 1
    n_jobs = len(of_kind("Job")) + len(of_kind("CronJob"))  # no two of one at once
    assert {job["spec"]["concurrencyPolicy"] for job in of_kind("CronJob")} == {"Forbid"}
    total = (n_pods + surge) * (n_processes * n_held + 2) + n_jobs
    text = f"({n_pods} + {surge}) × ({n_processes} × {n_held} + 2) + {n_jobs} = {total} ≤ 97"  # noqa: RUF001
    assert text in (ROOT / "docs" / "sizing.md").read_text()
    assert total <= 97


def test_only_proxies_and_prometheus_may_call() -> None:
    """Whoever else did could choose its address, as the last proxy's word is believed."""
    assert the("ConfigMap")["data"]["TRUSTED_PROXIES"] == "1"
    (rule,) = the("NetworkPolicy")["spec"]["ingress"]
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


def test_pods_have_time_for_a_graceful_stop() -> None:
    pod = the("Deployment")["spec"]["template"]["spec"]
    _, seconds = pod["containers"][0]["lifecycle"]["preStop"]["exec"]["command"]
    assert pod["terminationGracePeriodSeconds"] > int(seconds) + gunicorn_settings.graceful_timeout


def test_jobs_run_commands_that_exist() -> None:
    known: dict[str, Any] = get_commands()
    for workload in [*of_kind("Job"), *of_kind("CronJob")]:
        name = workload["metadata"]["name"]
        template = dict(pod_templates())[name]
        for container in template["spec"]["containers"]:
            python, manage, command, *_ = container["command"]
            assert (python, manage) == ("python", "manage.py")
            assert command in known, name

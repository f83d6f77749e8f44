"""docs/schedulers/kubernetes-job.md: a pod that replaces another one gets its trial.

There is no Kubernetes here: the program runs in processes, with the variables of the manifest and
those that Kubernetes sets in the pods of an indexed Job.
"""

import signal
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from tests.accept.schedulers.conftest import Start
from tests.accept.schedulers.recipes import (
    EXAMPLES,
    Recipe,
    check_budget,
    check_resumed,
    environment,
    kill_in_the_middle,
    wait_for_trials,
)
from tests.support import ROOT
from tests.support.http_client import HttpClient
from tests.support.service import Service

pytestmark = pytest.mark.accept

JOB = yaml.safe_load((ROOT / "deploy/workers/kubernetes-job.yaml").read_text())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_pod_that_replaces_another_one_goes_on_with_its_trial(
    number: signal.Signals, service: Service, client: HttpClient, start: Start, tmp_path: Path,
    record_property: Any,
) -> None:  # fmt: skip
    name, n_pods = JOB["metadata"]["name"], JOB["spec"]["completions"]
    (container,) = JOB["spec"]["template"]["spec"]["containers"]

    def start_pod(index: int) -> Recipe:
        env = environment(
            service, tmp_path, PYTHONPATH=str(ROOT / "clients/python/src"),
            JOB_COMPLETION_INDEX=str(index), HOSTNAME=f"{name}-{index}",
            TMPDIR=str(tmp_path),
        )  # fmt: skip
        return start(sys.executable, EXAMPLES / container["command"][-1], env=env)

    pods = [start_pod(index) for index in range(n_pods)]
    wait_for_trials(client, "resumed", 3, pods[0].log)
    left = kill_in_the_middle(
        lambda: [psutil.Process(pods[1].process.pid)], client, "resumed", pods[1].log, number
    )
    assert pods[1].process.wait() == (75 if number == signal.SIGTERM else -number)
    pods[1] = start_pod(1)
    for pod in pods:
        pod.finish()

    trials = check_budget(service, "resumed")
    record_property("found", check_resumed(trials, left))
    assert {trial["worker_id"] for trial in trials} == {f"{name}-{n}" for n in range(n_pods)}
    client.call("DELETE", "/studies/resumed").expect(204)

"""The TypeScript client against a real service, and what its README and example do."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.http_client import HttpClient
from tests.support.service import Service, running_service_on_tests_server
from tests.support.typescript_client import PACKAGE, run, run_tests

pytestmark = pytest.mark.usefixtures("_compiled")

UNLIMITED = {"RATE_LIMIT_ADDRESS_READS": "0", "RATE_LIMIT_ADDRESS_WRITES": "0"}
BLOCK = re.compile(r"^```js\n(.*?)^```$", re.DOTALL | re.MULTILINE)


@pytest.fixture(scope="module")
def service(django_db_setup: None) -> Iterator[Service]:
    with running_service_on_tests_server(UNLIMITED) as service:
        yield service


def url(service: Service) -> str:
    return f"http://127.0.0.1:{service.port}"


def test_calls_loop_restarts_and_faults_work(service: Service) -> None:
    files = ("existing", "faults", "leases", "restarts", "worker")
    run_tests(*(f"service/{name}" for name in files), TUNER_URL=url(service))


def project(folder: Path) -> Path:
    """An npm project that has the client installed."""
    modules = folder / "node_modules" / "@tuner"
    modules.mkdir(parents=True)
    (modules / "client").symlink_to(PACKAGE)
    return folder


def quick_start(folder: Path, service: Service) -> str:
    """Save the program of the README, and return its name."""
    (program,) = BLOCK.findall((PACKAGE / "README.md").read_text())
    (folder / "quick-start.mjs").write_text(program.replace("http://127.0.0.1:8000", url(service)))
    return "quick-start.mjs"


def check_quick_start(printed: str, service: Service) -> None:
    assert 'study "typescript-quick-start" is completed: max_trials' in printed
    with HttpClient(service.port) as client:
        study = client.get("/studies/typescript-quick-start")
        best = client.get("/studies/typescript-quick-start/best")
        client.call("DELETE", "/studies/typescript-quick-start").expect(204)
    assert study["trial_counts"]["COMPLETE"] == study["n_trials"] == 50
    assert best["value"] == (best["params"]["x"] - 2) ** 2


def test_quick_start_of_the_readme_runs(service: Service, tmp_path: Path) -> None:
    program = quick_start(project(tmp_path), service)

    check_quick_start(run("node", program, cwd=tmp_path), service)


def test_example_runs(service: Service, tmp_path: Path) -> None:
    shutil.copy(PACKAGE / "examples" / "worker.mjs", project(tmp_path))

    printed = run("node", "worker.mjs", "gpu-1", cwd=tmp_path, env={"TUNER_URL": url(service)})

    assert printed.startswith('study "typescript-example" is completed: max_trials; complete here:')
    with HttpClient(service.port) as client:
        trials = client.all_trials("typescript-example")
    assert {trial["state"] for trial in trials} <= {"COMPLETE", "PRUNED"}
    assert len(trials) == 20
    assert {trial["worker_id"] for trial in trials} == {"gpu-1", "gpu-1.1"}

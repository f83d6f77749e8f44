"""The TypeScript client against a real service, and what its README and example do."""

import shutil
from pathlib import Path

from tests.support.http_client import HttpClient
from tests.support.service import Service
from tests.support.typescript_client import PACKAGE, SERVICE_TESTS, run, run_tests
from tests.support.typescript_programs import (
    QUICK_START,
    check_quick_start,
    link_client,
    save_quick_start,
    url,
)


def test_calls_loop_restarts_and_faults_work(service: Service) -> None:
    run_tests(*SERVICE_TESTS, TUNER_URL=url(service))


def test_quick_start_of_the_readme_runs(service: Service, tmp_path: Path) -> None:
    link_client(tmp_path)
    save_quick_start(tmp_path, service)

    check_quick_start(run("node", QUICK_START, cwd=tmp_path), service)


def test_example_runs(service: Service, tmp_path: Path) -> None:
    link_client(tmp_path)
    shutil.copy(PACKAGE / "examples" / "worker.mjs", tmp_path)

    printed = run("node", "worker.mjs", "gpu-1", cwd=tmp_path, env={"TUNER_URL": url(service)})

    assert printed.startswith('study "typescript-example" is completed: max_trials; complete here:')
    with HttpClient(service.port) as client:
        trials = client.all_trials("typescript-example")
    assert {trial["state"] for trial in trials} <= {"COMPLETE", "PRUNED"}
    assert len(trials) == 20
    assert {trial["worker_id"] for trial in trials} == {"gpu-1", "gpu-1.1"}

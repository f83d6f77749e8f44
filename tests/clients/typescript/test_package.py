"""The packed TypeScript client, installed into an empty folder, with Node and with Bun."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.support.service import Service
from tests.support.typescript_client import SERVICE_TESTS, build, run, run_tests
from tests.support.typescript_programs import (
    QUICK_START,
    check_quick_start,
    save_quick_start,
    url,
)

pytestmark = pytest.mark.accept

BUN = "bun@1.4.5"


@pytest.fixture
def bun(tmp_path: Path) -> str:
    """The path of Bun, from its npm package."""
    command = ["npm", "install", "--prefix", str(tmp_path / "bun"), "--no-audit", BUN]
    installed = subprocess.run(command, capture_output=True, text=True, check=False)
    if installed.returncode != 0:
        pytest.skip(f"npm cannot install {BUN}: {installed.stderr[-300:]}")
    return str(tmp_path / "bun" / "node_modules" / ".bin" / "bun")


def test_package_runs_in_an_empty_folder(service: Service, tmp_path: Path, bun: str) -> None:
    packed = run("npm", "pack", "--json", "--silent", "--pack-destination", str(tmp_path))
    build()  # what was compiled before is gone
    project = tmp_path / "project"
    project.mkdir()
    tarball = tmp_path / json.loads(packed)[0]["filename"]

    run("npm", "install", "--offline", "--no-audit", str(tarball), cwd=project)

    installed = {path.name for path in (project / "node_modules" / "@tuner" / "client").iterdir()}
    assert installed == {"README.md", "dist", "examples", "package.json"}
    save_quick_start(project, service)
    for runtime in ("node", bun):
        check_quick_start(run(runtime, QUICK_START, cwd=project), service)


def test_bun_passes_the_tests_of_the_client(service: Service, bun: str) -> None:
    files = [f"./build/{name}.test.js" for name in ("retries", "urls", *SERVICE_TESTS)]

    run(bun, "test", "--timeout", "120000", *files, env={"TUNER_URL": url(service)})


def test_plots_are_answered_as_figures_and_pages(service: Service) -> None:
    run_tests("service/slow/plots", TUNER_URL=url(service))

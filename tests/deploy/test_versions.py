"""One version: that of the service, of its clients, and in the files that name it."""

import json
import re
import tomllib
from pathlib import Path

import pytest

from tests.support import ROOT
from tuner_project import __version__

# The metadata of every package of the repository.
METADATA = [
    ROOT / "pyproject.toml",
    *ROOT.glob("clients/*/pyproject.toml"),
    *ROOT.glob("clients/*/package.json"),
    *ROOT.glob("clients/*/package-lock.json"),
]


def version_of(metadata: Path) -> str:
    """The version in a package's metadata, or in the file that its metadata names."""
    if metadata.suffix == ".json":
        return json.loads(metadata.read_text())["version"]
    document = tomllib.loads(metadata.read_text())
    if version := document["project"].get("version"):
        return version
    named = metadata.parent / document["tool"]["hatch"]["version"]["path"]
    (version,) = re.findall(r'^__version__ = "(.+)"$', named.read_text(), re.MULTILINE)
    return version


def test_packages_have_the_version_of_the_service() -> None:
    versions = {str(file.relative_to(ROOT)): version_of(file) for file in METADATA}
    assert versions == dict.fromkeys(versions, __version__)


@pytest.mark.parametrize(
    ("file", "pattern"),
    [
        ("CHANGELOG.md", r"^## (\d\S*) - \d{4}-\d{2}-\d{2}$"),  # the latest release is the first
        ("docs/deployment.md", r'"version": "(.+?)"'),
        ("docs/kubernetes.md", r"/tuner:(\S+)"),
    ],
)
def test_file_names_the_version_of_the_service(file: str, pattern: str) -> None:
    assert re.findall(pattern, (ROOT / file).read_text(), re.MULTILINE)[0] == __version__

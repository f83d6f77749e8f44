"""The Dockerfile: clean by hadolint, and with every package of the service in it."""

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.support import ROOT
from tests.support.packages import PACKAGES

DOCKERFILES = sorted(ROOT.glob("Dockerfile")) + sorted(ROOT.glob("deploy/**/Dockerfile"))


def test_dockerfile_passes_hadolint() -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    done = subprocess.run(
        [hadolint, "--failure-threshold", "style", *DOCKERFILES],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_hadolint_finds_a_bad_dockerfile(tmp_path: Path) -> None:
    dockerfile = tmp_path / "Dockerfile"
    dockerfile.write_text("FROM debian:latest\nRUN cd /tmp\n")
    hadolint = Path(sys.executable).with_name("hadolint")
    done = subprocess.run(
        [hadolint, dockerfile], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1
    assert "DL3007" in done.stdout


def test_image_has_every_package_of_the_service() -> None:
    copied = re.findall(r"^COPY (\S+) \1/$", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE)
    ignored_not = re.findall(r"^!(\w+)$", (ROOT / ".dockerignore").read_text(), flags=re.MULTILINE)
    assert sorted(copied) == sorted(PACKAGES)
    assert sorted(ignored_not) == sorted(PACKAGES)


def test_image_runs_as_an_unprivileged_user() -> None:
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    assert lines.index("USER 10001:10001") > max(
        i for i, line in enumerate(lines) if line.startswith(("COPY", "RUN"))
    )


def test_static_files_are_collected_with_the_environment_of_the_build() -> None:
    text = (ROOT / "Dockerfile").read_text()
    found = re.search(
        r"^RUN ((?:[A-Z_]+=\S+ )+)\\\n +python (manage.py collectstatic .*) \\$", text, re.M
    )
    assert found is not None
    variables = dict(pair.split("=", 1) for pair in found[1].split())
    done = subprocess.run(
        [sys.executable, *found[2].split(), "--dry-run"],
        cwd=ROOT, env=variables | {"TUNER_ENV_FILE": os.devnull},
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr

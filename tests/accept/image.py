"""The service's image, built and run by Debian's buildah and podman, without a daemon.

Both keep everything in a folder of their own. No registry of images is asked: the base that the
Dockerfile names is stood in for, under the same name, by a Debian of the same release made with
debootstrap. So the interpreter is Debian's Python (3.11), not 3.12 as in the real base; the
Dockerfile itself is built as it stands. Its `pip install` finds the locked wheels in a folder which
the pip of this machine has filled, since the build has none of this machine's package indexes.
"""

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from sys import executable
from typing import Any

from tests.service import ROOT

TOOLS = ["buildah", "podman", "debootstrap", "tar"]
IMAGE = "localhost/tuner"
SUITE = "bookworm"
MIRROR = os.environ.get("DEBIAN_MIRROR", "http://deb.debian.org/debian")
BASE = """\
FROM scratch
ADD base.tar /
COPY pip.conf /etc/pip.conf
RUN ln -s python3 /usr/bin/python
"""
PIP = "[global]\nno-index = true\nfind-links = /wheels\n"
# What the manifests and compose.yaml ask for, too; and logs without journald. The limits: podman
# would raise them otherwise, which it may not everywhere.
RESTRICTIONS = [
    *("--log-driver", "k8s-file", "--read-only", "--tmpfs", "/tmp", "--cap-drop", "all"),  # noqa: S108
    *("--security-opt", "no-new-privileges"),
    *("--ulimit", "nofile=4096:4096", "--ulimit", "nproc=4096:4096"),
]


def why_not() -> str | None:
    """Why no image can be built here, or None."""
    if missing := [tool for tool in TOOLS if shutil.which(tool) is None]:
        return f"an image is built with {', '.join(missing)} (Debian's packages of these names)"
    return None if os.geteuid() == 0 else "debootstrap and podman's read-only root want root"


def run(*command: Any, check: bool = True) -> str:
    """The output of a command."""
    done = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, timeout=900, check=False
    )
    assert not check or done.returncode == 0, f"{command}: {done.stdout[-2000:]}{done.stderr}"
    return done.stdout.strip()


@dataclass(frozen=True)
class Images:
    """Images and containers in a folder of their own."""

    folder: Path

    @cached_property
    def _store(self) -> list[str]:
        return ["--root", f"{self.folder}/root", "--runroot", f"{self.folder}/runroot"]

    def build(self) -> None:
        """Make the base and, on it, the service's image, from the Dockerfile."""
        dockerfile = (ROOT / "Dockerfile").read_text()
        (base,) = set(re.findall(r"^FROM (\S+)", dockerfile, flags=re.MULTILINE))
        python = self._make_base()
        self._download(python, *re.findall(r"(--extra-index-url) (\S+) (torch==\S+)", dockerfile))
        self._build(self.folder / "base", f"docker.io/library/{base}")
        self._build(ROOT, IMAGE)

    @cached_property
    def _podman(self) -> list[str]:
        return ["podman", *self._store, "--runtime", "runc", "--cgroup-manager", "cgroupfs"]

    def podman(self, *arguments: str, check: bool = True) -> str:
        return run(*self._podman, *arguments, check=check)

    def start(self, *command: str, mode: str, environment: dict[str, str]) -> str:
        """Run the image on this machine's network, as restricted as it can be.

        `mode` is --detach, to which podman answers the container's id, or --rm.
        """
        variables = [f"--env={name}={value}" for name, value in environment.items()]
        return self.podman(
            "run", mode, "--network", "host", *RESTRICTIONS, *variables, IMAGE, *command
        )

    def logs(self, container: str) -> str:
        """The last lines; the service writes them to its standard error."""
        return run(
            "sh", "-c", 'exec "$@" 2>&1', "sh", *self._podman, "logs", "--tail", "50", container
        )

    def remove(self) -> None:
        self.podman("rm", "--all", "--force", "--time", "0", check=False)
        run("umount", self.folder / "root" / "overlay", check=False)  # podman's own bind mount
        shutil.rmtree(self.folder)

    def _make_base(self) -> str:
        """Debian's file system as base/base.tar; gives the version of its Python."""
        tree, context = self.folder / "debian", self.folder / "base"
        run(
            "debootstrap", "--variant=minbase", "--include=python3,python3-venv,ca-certificates",
            SUITE, tree, MIRROR,
        )  # fmt: skip
        context.mkdir()
        kept_out = [f"--exclude=./{folder}/*" for folder in ("proc", "sys", "dev")]
        run("tar", "--numeric-owner", *kept_out, "-C", tree, "-cf", context / "base.tar", ".")
        (context / "Dockerfile").write_text(BASE)
        (context / "pip.conf").write_text(PIP)
        return (tree / "usr" / "bin" / "python3").readlink().name.removeprefix("python")

    def _download(self, python: str, torch: tuple[str, ...]) -> None:
        pip = [
            executable, "-m", "pip", "--disable-pip-version-check", "download", "--quiet",
            "--only-binary", ":all:", "--python-version", python, "--dest", self.folder / "wheels",
        ]  # fmt: skip
        run(*pip, "--require-hashes", "--requirement", ROOT / "requirements" / "lock.txt")
        run(*pip, "--no-deps", *torch)

    def _build(self, context: Path, name: str) -> None:
        wheels = self.folder / "wheels"
        run(
            "buildah", *self._store, "build", "--isolation", "chroot", "--format", "docker",
            "--pull-never", "--volume", f"{wheels}:/wheels:ro", "--tag", name, context,
        )  # fmt: skip

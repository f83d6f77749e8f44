"""The container image: it builds, and runs unprivileged on a read-only root file system."""

import json
import os
import re
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from socketserver import BaseRequestHandler, ThreadingTCPServer
from sys import executable
from tempfile import TemporaryDirectory, mkdtemp
from typing import Any

import pytest
from psycopg.conninfo import conninfo_to_dict
from urllib3.exceptions import HTTPError

from tests.support import ROOT
from tests.support.http_client import HttpClient, free_port
from tuner_project.embedded_postgres import EmbeddedPostgres

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
        (base,) = re.findall(r"^ARG PYTHON_IMAGE=(\S+)", dockerfile, flags=re.MULTILINE)
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


@contextmanager
def relayed(unix_socket: Path) -> Iterator[int]:
    """The port, on loopback, while the block runs."""

    class Handler(BaseRequestHandler):
        def handle(self) -> None:
            with socket.socket(socket.AF_UNIX) as behind:
                behind.connect(str(unix_socket))
                back = threading.Thread(target=_pump, args=(behind, self.request), daemon=True)
                back.start()
                _pump(self.request, behind)
                back.join()

    ThreadingTCPServer.daemon_threads = True
    with ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    """Pass on what comes, until one of the two is closed, which the other then is as well."""
    with suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    for end in (source, sink):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


pytestmark = [
    pytest.mark.accept,
    pytest.mark.skipif(why_not() is not None, reason=str(why_not())),
]
SECONDS_TO_START = 120
SECONDS_TO_STOP = 15


@pytest.fixture(scope="module")
def images() -> Iterator[Images]:
    """The built image."""
    images = Images(Path(mkdtemp(prefix="tuner-image-", dir="/var/tmp")))
    try:
        images.build()
        yield images
    finally:
        images.remove()


@pytest.fixture(scope="module")
def environment() -> Iterator[dict[str, str]]:
    """A production's, on an embedded PostgreSQL that is reached over TCP."""
    with TemporaryDirectory(prefix="tuner-image-", dir="/var/tmp") as folder:
        Path(folder).chmod(0o755)  # PostgreSQL's account passes through it
        postgres = EmbeddedPostgres(Path(folder) / "data", fallback=False)
        found = conninfo_to_dict(postgres.url())
        socket = Path(str(found["host"])) / f".s.PGSQL.{found['port']}"
        with postgres.running(), relayed(socket) as port:
            yield {
                "DATABASE_URL": f"postgresql://tuner@127.0.0.1:{port}/tuner?sslmode=disable",
                "SECRET_KEY": "of-the-proof-of-the-image-0123456789-abcdefghijklmnop",
                "HOST": "127.0.0.1",
                "PORT": str(free_port()),
                "AUTH_REQUIRED": "false",
            }


@pytest.fixture(scope="module")
def container(images: Images, environment: dict[str, str]) -> str:
    """The service's container, ready to serve a database that the image itself has migrated."""
    images.start("python", "manage.py", "migrate", mode="--rm", environment=environment)
    container = images.start(mode="--detach", environment=environment)
    wait_until(lambda: is_ready(environment), images, container)
    return container


@pytest.fixture(scope="module")
def client(environment: dict[str, str]) -> Iterator[HttpClient]:
    """A connection that is kept open, also while the service stops."""
    with HttpClient(int(environment["PORT"])) as client:
        yield client


def is_ready(environment: dict[str, str]) -> bool:
    try:
        with HttpClient(int(environment["PORT"])) as client:
            return client.call("GET", "/ready").status == 200
    except HTTPError:
        return False


def wait_until(condition: Callable[[], bool], images: Images, container: str) -> None:
    deadline = time.monotonic() + SECONDS_TO_START
    while not condition():
        assert time.monotonic() < deadline, images.logs(container)
        time.sleep(0.1)


def test_image_runs_without_privileges(images: Images, container: str) -> None:
    pid = images.podman("inspect", "--format", "{{.State.Pid}}", container)
    status = dict(
        line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines()
    )
    assert status["Uid"].split() == ["10001"] * 4
    assert status["Gid"].split() == ["10001"] * 4
    assert {status[f"Cap{kind}"] for kind in ("Inh", "Prm", "Eff", "Bnd", "Amb")} == {"0" * 16}
    assert status["NoNewPrivs"] == "1"


def test_image_is_read_only(images: Images, container: str) -> None:
    write = "touch /app/written || touch /venv/written || touch /written"
    images.podman("exec", container, "sh", "-c", f"if {write}; then exit 1; fi")
    images.podman("exec", "--user", "root", container, "sh", "-c", f"if {write}; then exit 1; fi")


def test_image_serves_static_files_and_is_healthy(
    images: Images, container: str, client: HttpClient
) -> None:
    assert client.get("/health")["status"] == "healthy"
    files = images.podman("exec", container, "ls", "/app/staticfiles")
    assert {"admin", "drf_spectacular_sidecar", "plotly", "tuner_project"} <= set(files.split())


@pytest.mark.parametrize("sampler", ["tpe", "gp", "qmc", "nsgaii", "random"])
def test_image_runs_all_samplers(container: str, client: HttpClient, sampler: str) -> None:
    """Twelve asks, of which the last ones are modelled: their libraries are imported for them."""
    space = [{"type": "float", "name": "x", "low": -1.0, "high": 1.0}]
    client.create_study(name=sampler, sampler=sampler, search_space=space)
    for _ in range(12):
        trial = client.suggest(sampler)
        client.complete(sampler, trial["trial_id"], values=trial["params"]["x"] ** 2)
    assert client.get(f"/studies/{sampler}")["n_trials"] == 12


def test_image_stops_within_seconds(
    images: Images, container: str, record_property: Callable[[str, object], None]
) -> None:
    """Also with a client's open connection. podman kills what is too slow, and the exit code says
    so: waiting for the graceful timeout or for the client would be. The promise is 5 s where the
    machine has nothing else to do; how long it took is in the table of the proofs.
    """
    begun = time.monotonic()
    images.podman("stop", "--time", str(SECONDS_TO_STOP), container)
    record_property(
        "found", f"stopped {time.monotonic() - begun:.1f} s after SIGTERM (promised: 5)"
    )
    (state,) = json.loads(images.podman("inspect", container))
    assert state["State"]["ExitCode"] == 0, images.logs(container)

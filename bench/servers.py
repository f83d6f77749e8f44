"""The service with its PostgreSQL, and what the peers need on the same server."""

import multiprocessing
import os
import secrets
import socket
import time
import warnings
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

import optuna
import psutil
import psycopg
from optuna.exceptions import ExperimentalWarning

from bench.service import Client, Service, free_port, running_service
from tuner_project.embedded_postgres import EmbeddedPostgres

SERVICE, POSTGRESQL = "service", "PostgreSQL"  # names of servers
_SPAWN = multiprocessing.get_context("spawn")
_SECRET_KEY = "of the measurements"
_CLIENTS_AT_ONCE = 4
_ASKS_OF_EACH = 4
_WORSE_THAN_ANY = 1e6
_SECONDS_TO_REACH_ALL = 60


@dataclass(frozen=True)
class Ground:
    """Where all of it runs: one PostgreSQL server, and the service on a database of it."""

    service: Service
    url: str  # of the service's database
    environment: Mapping[str, str]  # by which a service works on that database

    @property
    def port(self) -> int:
        return self.service.port

    @property
    def optuna_url(self) -> str:
        """Where stock Optuna reads the service's studies."""
        return for_optuna(self.url, "options=-csearch_path%3Doptuna")

    def database_of_peers(self, name: str) -> str:
        """A new database for Optuna's own storage."""
        return for_optuna(self.new_database(name))

    def new_database(self, name: str) -> str:
        """The URL of a new database on the same server."""
        name = f"{urlsplit(self.url).path[1:]}_{name}"
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"')
        return _named(self.url, name)

    def postmaster(self) -> psutil.Process | None:
        """PostgreSQL's first process; None where the server is on another machine."""
        with psycopg.connect(self.url) as connection:
            backend = connection.info.backend_pid
            try:
                process = psutil.Process(backend)
                return process.parent() if "postgres" in process.name() else None
            except psutil.NoSuchProcess:
                return None

    def processes(self) -> dict[str, psutil.Process]:
        """The service and PostgreSQL, if it is here; their children belong to them."""
        postmaster = self.postmaster()
        here = {POSTGRESQL: postmaster} if postmaster else {}
        return {SERVICE: self.service.master, **here}

    def settings(self, *names: str) -> dict[str, str]:
        with psycopg.connect(self.url) as connection:
            return {name: str(_setting(connection, name)) for name in names}

    def warm_up(self, *studies: str) -> None:
        """Let each of the service's processes answer asks and tells of the studies.

        A connection that is kept alive stays with one process, and which one is left to chance:
        clients are opened until each process has one.
        """
        clients: list[Client] = []
        deadline = time.monotonic() + _SECONDS_TO_REACH_ALL
        with ThreadPoolExecutor(_CLIENTS_AT_ONCE) as pool:
            while not all(self._has_clients(each) for each in self.service.web_workers()):
                if time.monotonic() > deadline:
                    raise RuntimeError("one of the service's processes takes no connection")
                new = [Client(self.port) for _ in range(_CLIENTS_AT_ONCE)]
                list(pool.map(lambda client: client.get("/health"), new))
                clients += new
            for study in studies:
                list(pool.map(lambda client, study=study: _play(client, study), clients))
        for client in clients:
            client.__exit__()

    def _has_clients(self, worker: psutil.Process) -> bool:
        return any(
            each.status == psutil.CONN_ESTABLISHED and each.laddr.port == self.port
            for each in worker.net_connections("tcp")
        )


@contextmanager
def ground(database_url: str | None) -> Iterator[Ground]:
    """Start the service, with its embedded PostgreSQL or in a new database of the server given."""
    if database_url is None:
        with running_service() as service:
            place = {"TUNER_DATA_DIR": str(service.data_dir)}
            yield Ground(service, EmbeddedPostgres(service.data_dir).url(), place)
        return
    name = f"tuner_bench_{secrets.token_hex(4)}"
    url = _named(database_url, name)
    environment = environment_on(url)
    with psycopg.connect(database_url, autocommit=True) as connection:
        try:
            connection.execute(f'CREATE DATABASE "{name}"')
            with running_service(environment) as service:
                yield Ground(service, url, environment)
        finally:
            rows = connection.execute(
                "SELECT datname FROM pg_database WHERE starts_with(datname, %s)", [name]
            )
            for (database,) in rows.fetchall():
                connection.execute(f'DROP DATABASE "{database}" WITH (FORCE)')


def environment_on(url: str) -> dict[str, str]:
    """The environment of a service on this database."""
    return {"DATABASE_URL": url, "SECRET_KEY": _SECRET_KEY, "AUTH_REQUIRED": "false"}


@contextmanager
def grpc_proxy(url: str) -> Iterator[tuple[int, psutil.Process]]:
    """Optuna's gRPC storage proxy, in a process of its own; gives its port and the process."""
    port = free_port()
    process = _SPAWN.Process(target=_serve_grpc, args=(url, port), daemon=True)
    process.start()
    try:
        deadline = time.monotonic() + 60
        while not _is_open(port):
            if time.monotonic() > deadline or not process.is_alive():
                raise RuntimeError("the gRPC proxy did not start")
            time.sleep(0.1)
        yield port, psutil.Process(process.pid)
    finally:
        process.kill()
        process.join()


def _is_open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _serve_grpc(url: str, port: int) -> None:
    warnings.simplefilter("ignore", ExperimentalWarning)  # that the proxy may change
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    # As Optuna's documentation advises: RDBStorage by itself would read all trials each time.
    storage = optuna.storages.get_storage(url)
    optuna.storages.run_grpc_proxy_server(storage, host="127.0.0.1", port=port)


def set_up_django(url: str) -> None:
    """Let this process work on the service's database as the service's own do."""
    import django

    os.environ |= {
        "DJANGO_SETTINGS_MODULE": "tuner_project.settings",
        "TUNER_ENV_FILE": os.devnull,
        **environment_on(url),
    }
    django.setup()


def _play(client: Client, study: str) -> None:
    for _ in range(_ASKS_OF_EACH):
        client.complete(study, client.suggest(study)["trial_id"], values=_WORSE_THAN_ANY)


def _named(url: str, name: str) -> str:
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))


def for_optuna(url: str, option: str = "") -> str:
    """The URL of a database as Optuna's storages take it."""
    parts = urlsplit(url)
    query = "&".join(part for part in (parts.query, option) if part)
    return urlunsplit(parts._replace(scheme="postgresql+psycopg", query=query))


def _setting(connection: psycopg.Connection[tuple[object, ...]], name: str) -> object:
    row = connection.execute("SELECT current_setting(%s)", [name]).fetchone()
    return row[0] if row else None

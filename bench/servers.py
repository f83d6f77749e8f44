"""The service with its PostgreSQL, and what the peers need on the same server."""

import multiprocessing
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager

import optuna
import psycopg

from tests.service import Service
from tuner_project.embedded_postgres import EmbeddedPostgres

_SPAWN = multiprocessing.get_context("spawn")


def service_url(service: Service) -> str:
    return EmbeddedPostgres(service.data_dir).url()


def peers_url(service: Service, database: str) -> str:
    """A new database for Optuna's own storage, on the service's PostgreSQL."""
    url = service_url(service)
    with psycopg.connect(url, autocommit=True) as connection:
        name = connection.info.dbname
        connection.execute(f'CREATE DATABASE "{database}"')
    head, _, query = url.partition("?")
    url = f"{head.removesuffix(name)}{database}?{query}"
    return url.replace("postgresql:", "postgresql+psycopg:")


@contextmanager
def grpc_proxy(url: str) -> Iterator[int]:
    """Optuna's gRPC storage proxy, in a process of its own; gives its port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    process = _SPAWN.Process(target=_serve_grpc, args=(url, port))
    process.start()
    try:
        deadline = time.monotonic() + 60
        while socket.socket().connect_ex(("127.0.0.1", port)):
            if time.monotonic() > deadline:
                raise TimeoutError("the gRPC proxy did not start")
            time.sleep(0.1)
        yield port
    finally:
        process.kill()
        process.join()


def _serve_grpc(url: str, port: int) -> None:
    storage = optuna.storages.RDBStorage(url)
    optuna.storages.run_grpc_proxy_server(storage, host="127.0.0.1", port=port)


def set_up_django(service: Service) -> None:
    """Let this process work on the service's database as the service's own do."""
    import django

    os.environ |= {
        "DJANGO_SETTINGS_MODULE": "tuner_project.settings",
        "TUNER_ENV_FILE": os.devnull,
        "DATABASE_URL": service_url(service),
        "SECRET_KEY": "of the measurements",
    }
    django.setup()

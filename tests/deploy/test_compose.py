"""compose.yaml: as the Compose Specification's schema wants it, and as its parts are.

check-jsonschema carries the schema. What Docker makes of the file is not tried: there is none here.
"""

import configparser
import re
import subprocess
import sys
from typing import Any

import pytest
from django.core.management import get_commands

from tests.deploy.documents import ROOT, compose, documented_variables
from tuner_project import gunicorn as gunicorn_settings

REPLICAS = ["tuner-1", "tuner-2"]
OF_OUR_IMAGE = [*REPLICAS, "migrate", "expire"]
# Of the database's image, and of compose.yaml itself.
FOREIGN = {"POSTGRES_PASSWORD", "POSTGRES_USER", "POSTGRES_DB"}


@pytest.fixture(scope="module")
def services() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = compose()["services"]
    return found


def test_compose_file_has_the_specified_shape() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec",
         "compose.yaml"],
        cwd=ROOT, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_variables_are_those_of_the_service(services: dict[str, dict[str, Any]]) -> None:
    named = set(re.findall(r"\$\{([A-Z_]+)", (ROOT / "compose.yaml").read_text()))
    for service in services.values():
        named |= set(service.get("environment", {}))
    assert named - documented_variables() - FOREIGN == set()


def test_service_takes_every_variable_of_the_file_env(services: dict[str, dict[str, Any]]) -> None:
    for name in OF_OUR_IMAGE:
        assert services[name]["env_file"] == [{"path": ".env", "required": False}]
        environment = services[name]["environment"]
        assert (environment["HOST"], environment["PORT"]) == ("0.0.0.0", "8000")  # noqa: S104


def test_all_but_the_database_are_hardened(services: dict[str, dict[str, Any]]) -> None:
    for name, service in services.items():
        if name != "db":
            assert service["read_only"] is True, name
            assert service["cap_drop"] == ["ALL"], name
            assert service["security_opt"] == ["no-new-privileges:true"], name
            assert service["tmpfs"][0].split(":")[0] == "/tmp", name  # noqa: S108


def test_what_anybody_may_fill_has_a_size(services: dict[str, dict[str, Any]]) -> None:
    assert services["nginx"]["tmpfs"] == ["/tmp:size=512m"]  # noqa: S108


def test_only_nginx_is_published_and_to_this_machine(services: dict[str, dict[str, Any]]) -> None:
    published = {name: service["ports"] for name, service in services.items() if "ports" in service}
    assert list(published) == ["nginx"]
    assert published["nginx"] == ["127.0.0.1:${PORT:-8000}:8080"]


def test_nginx_knows_the_replicas_at_their_port(services: dict[str, dict[str, Any]]) -> None:
    conf = (ROOT / "deploy" / "nginx" / "tuner.conf").read_text()
    port = services[REPLICAS[0]]["environment"]["PORT"]
    assert re.findall(r"^\s*server ([\w.:-]+) resolve", conf, flags=re.MULTILINE) == [
        f"{replica}:{port}" for replica in REPLICAS
    ]
    assert re.findall(r"^\s*listen (\d+);", conf, flags=re.MULTILINE) == ["8080"]
    assert list(services["nginx"]["depends_on"]) == REPLICAS


def test_replicas_speak_to_the_pooler_and_it_to_the_database(
    services: dict[str, dict[str, Any]],
) -> None:
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(ROOT / "deploy" / "pgbouncer" / "pgbouncer.ini")
    pooler = parser["pgbouncer"]
    assert pooler["pool_mode"] == "transaction"
    for name in [*REPLICAS, "expire"]:
        environment = services[name]["environment"]
        assert environment["DATABASE_URL"].endswith(f"@pgbouncer:{pooler['listen_port']}/tuner")
        assert environment["DB_POOLER"] == "true"
    assert parser["databases"]["tuner"].startswith("host=db port=5432 dbname=tuner ")
    migrate = services["migrate"]["environment"]
    assert migrate["DATABASE_URL"].endswith("@db:5432/tuner")
    assert migrate["DB_POOLER"] == "false"
    targets = {config["target"] for config in services["pgbouncer"]["configs"]}
    assert targets == {"/etc/pgbouncer/pgbouncer.ini", pooler["auth_file"]}


def test_configurations_are_files_that_exist() -> None:
    configs = compose()["configs"]
    for service in compose()["services"].values():
        assert {config["source"] for config in service.get("configs", [])} <= set(configs)
    for config in configs.values():
        assert "content" in config or (ROOT / config["file"]).is_file()


def test_commands_exist(services: dict[str, dict[str, Any]]) -> None:
    known: dict[str, Any] = get_commands()
    for name in OF_OUR_IMAGE:
        command = services[name].get("command")
        if command is not None:
            assert command[:2] == ["python", "manage.py"]
            assert command[2] in known


def test_replicas_have_time_for_a_graceful_stop(services: dict[str, dict[str, Any]]) -> None:
    for name in REPLICAS:
        grace = int(services[name]["stop_grace_period"].removesuffix("s"))
        assert grace > gunicorn_settings.graceful_timeout

"""compose.yaml: valid by the Compose Specification's schema, and consistent with the project.

check-jsonschema carries the schema. Docker itself is not run.
"""

import configparser
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.core.management import get_commands

from tests.support import ROOT
from tuner_project.serving import gunicorn as gunicorn_settings
from tuner_project.settings import MAX_IMPORT_BYTES

REPLICAS = ["tuner-1", "tuner-2"]
OF_OUR_IMAGE = [*REPLICAS, "migrate", "expire", "deliver", "purge"]
# Of the database's image, and of compose.yaml itself.
FOREIGN = {"POSTGRES_PASSWORD", "POSTGRES_USER", "POSTGRES_DB"}
IMAGES = {"POSTGRES_IMAGE", "PYTHON_IMAGE", "DEBIAN_IMAGE", "NGINX_IMAGE"}
PARALLEL_IMPORTS = 4  # for which the temporary files have room


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
    return document


@pytest.fixture(scope="module")
def services(compose: dict[str, Any]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = compose["services"]
    return found


def script(service: dict[str, Any]) -> str:
    """What a service's shell runs, as it gets it from Compose."""
    shell, option, text = service["command"]
    assert (shell, option) == ("sh", "-c")
    return str(text).replace("$$", "$")


def test_compose_file_has_the_specified_shape() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec",
         "compose.yaml"],
        cwd=ROOT, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_variables_are_documented(
    services: dict[str, dict[str, Any]], documented_variables: set[str]
) -> None:
    named = set(re.findall(r"\$\{([A-Z_]+)", (ROOT / "compose.yaml").read_text()))
    for service in services.values():
        named |= set(service.get("environment", {}))
    assert named - documented_variables - FOREIGN == IMAGES


def test_service_takes_every_variable_of_the_file_env(services: dict[str, dict[str, Any]]) -> None:
    for name in OF_OUR_IMAGE:
        assert services[name]["env_file"] == [{"path": ".env", "required": False}]
        environment = services[name]["environment"]
        assert (environment["HOST"], environment["PORT"]) == ("0.0.0.0", "8000")  # noqa: S104


def test_all_services_are_hardened(services: dict[str, dict[str, Any]]) -> None:
    for name, service in services.items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert "cap_add" not in service, name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["tmpfs"][0].split(":")[0] == "/tmp", name  # noqa: S108


def test_database_runs_without_root_and_within_limits(services: dict[str, dict[str, Any]]) -> None:
    db = services["db"]
    assert (db["user"], db["mem_limit"], db["pids_limit"]) == ("999:999", "2g", 200)
    assert db["tmpfs"] == ["/tmp:size=64m", "/var/run/postgresql:size=1m"]  # noqa: S108


def test_writable_volumes_have_a_size(services: dict[str, dict[str, Any]]) -> None:
    assert services["nginx"]["tmpfs"] == ["/tmp:size=512m"]  # noqa: S108
    for name in OF_OUR_IMAGE:
        (tmp,) = services[name]["tmpfs"]
        gibibytes = int(tmp.removeprefix("/tmp:size=").removesuffix("g"))  # noqa: S108
        assert gibibytes * 2**30 >= PARALLEL_IMPORTS * MAX_IMPORT_BYTES


def test_only_nginx_is_published_on_loopback(services: dict[str, dict[str, Any]]) -> None:
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


def test_replicas_connect_through_the_pooler(
    services: dict[str, dict[str, Any]],
) -> None:
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(ROOT / "deploy" / "pgbouncer" / "pgbouncer.ini")
    pooler = parser["pgbouncer"]
    assert pooler["pool_mode"] == "transaction"
    for name in [*REPLICAS, "expire", "deliver", "purge"]:
        environment = services[name]["environment"]
        assert environment["DATABASE_URL"].endswith(f"@pgbouncer:{pooler['listen_port']}/tuner")
        assert environment["DB_POOLER"] == "true"
    assert parser["databases"]["tuner"].startswith("host=db port=5432 dbname=tuner ")
    migrate = services["migrate"]["environment"]
    assert migrate["DATABASE_URL"].endswith("@db:5432/tuner")
    assert migrate["DB_POOLER"] == "false"
    (config,) = services["pgbouncer"]["configs"]
    assert config["target"] == "/etc/pgbouncer/pgbouncer.ini"
    assert f"exec pgbouncer {config['target']}\n" in script(services["pgbouncer"])
    assert f"> {pooler['auth_file']}\n" in script(services["pgbouncer"])


def test_password_is_readable_by_the_pooler_only(
    services: dict[str, dict[str, Any]], tmp_path: Path
) -> None:
    text = script(services["pgbouncer"]).replace("/tmp/", f"{tmp_path}/")  # noqa: S108
    text = text.replace("exec pgbouncer", "exec echo")
    subprocess.run(["sh", "-ec", text], env={"POSTGRES_PASSWORD": "a1%s"}, check=True, timeout=60)
    file = tmp_path / "userlist.txt"
    assert file.read_text() == '"tuner" "a1%s"\n'
    assert file.stat().st_mode & 0o777 == 0o600


def test_purge_repeats_until_terminated(services: dict[str, dict[str, Any]]) -> None:
    text = script(services["purge"]).replace("python manage.py purge", "echo purged; false")
    assert "sleep 86400 &" in text
    loop = ["sh", "-c", text.replace("86400", "0.01")]
    with subprocess.Popen(loop, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert [process.stdout.readline() for _ in range(3)] == ["purged\n"] * 3
        process.terminate()
        assert process.wait(60) == 0


def test_configurations_are_existing_files(
    compose: dict[str, Any], services: dict[str, dict[str, Any]]
) -> None:
    """Compose refuses those with contents of their own in services that are read-only."""
    configs = compose["configs"]
    for service in services.values():
        assert {config["source"] for config in service.get("configs", [])} <= set(configs)
    for config in configs.values():
        assert list(config) == ["file"]
        assert (ROOT / config["file"]).is_file()


def test_commands_of_services_exist(services: dict[str, dict[str, Any]]) -> None:
    known: dict[str, Any] = get_commands()
    for name in OF_OUR_IMAGE:
        if "command" in services[name]:
            found = re.search(r"python manage\.py (\w+)", " ".join(services[name]["command"]))
            assert found is not None, name
            assert found[1] in known


def test_replicas_have_time_for_a_graceful_stop(services: dict[str, dict[str, Any]]) -> None:
    for name in REPLICAS:
        grace = int(services[name]["stop_grace_period"].removesuffix("s"))
        assert grace > gunicorn_settings.graceful_timeout

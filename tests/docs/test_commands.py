"""Commands and programs in the documents, run unchanged against a real service."""

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.management import get_commands

import tuner
from tests.support import ROOT
from tests.support.documents import SERVED_AT, blocks, document
from tests.support.http_client import HttpClient
from tests.support.service import Service, running_service

SAVED_AS = re.compile(r"# (\w+\.py)\n")  # the first line of a program that a later block starts

# In the blocks of a shell: curl fails where the service answers an error, make says what it would
# do, pip looks whether there is a project, and Python is the one that runs the tests. Any other
# command runs as it is.
PREAMBLE = """
set -euo pipefail
curl() { command curl --silent --show-error --fail-with-body "$@" && echo; }
pip() { [ "$1" = install ] && [ -e "$ROOT/${2%%[*}/pyproject.toml" ]; }
tuner() { "$PYTHON" -m tuner.cli "$@"; }
make() { command make --no-print-directory --dry-run -C "$ROOT" "$@" > /dev/null; }
python() { "$PYTHON" "$@"; }
.venv/bin/python() { (cd "$ROOT" && "$PYTHON" "$@"); }
"""


def script(name: str, folder: Path, port: int) -> str:
    """All blocks of a document as one script, in their order."""
    parts = [PREAMBLE]
    for block in blocks(name):
        text = block.text.replace(SERVED_AT, f"http://127.0.0.1:{port}")
        parts.append(f"echo '{name}, line {block.line}' >&2")
        if block.language == "sh":
            parts.append(text)
        elif block.language == "python":
            saved_as = SAVED_AS.match(text)
            file = folder / (saved_as[1] if saved_as else f"line_{block.line}.py")
            file.write_text(text)
            if saved_as is None:
                parts.append(f"python {shlex.quote(file.name)}")
            else:
                assert f"python {saved_as[1]}" in document(name), f"{saved_as[1]} is not started"
        else:
            pytest.fail(f"{name}, line {block.line}: no rule for a block of {block.language!r}")
    return "\n".join(parts)


def environment(service: Service) -> dict[str, str]:
    """The environment in which management commands work on the service's database."""
    left_out = {"DATABASE_URL", "SECRET_KEY", "DJANGO_SETTINGS_MODULE"}
    inherited = {key: value for key, value in os.environ.items() if key not in left_out}
    return inherited | {
        "TUNER_DATA_DIR": str(service.data_dir),
        "ROOT": str(ROOT),
        "PYTHON": sys.executable,
        "PYTHONPATH": str(ROOT / "clients/python/src"),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",  # programs that others start
    }


def run(name: str, folder: Path, service: Service) -> list[str]:
    """Run all blocks of a document; the lines that they print."""
    finished = subprocess.run(
        ["bash", "-c", script(name, folder, service.port)],
        cwd=folder,
        env=environment(service) | {"TUNER_CONFIG": str(folder / "tuner.toml")},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert finished.returncode == 0, f"{finished.stdout[-2000:]}\n{finished.stderr[-2000:]}"
    return finished.stdout.splitlines()


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with running_service() as service:
        yield service


def test_readme_runs(service: Service, tmp_path: Path) -> None:
    printed = run("README.md", tmp_path, service)

    with HttpClient(service.port) as client:
        study = client.get("/studies/quick-start")
        best = client.get("/studies/quick-start/best")
        demos = [each["study_name"] for each in client.get("/studies")]
        by_curl = client.get("/studies/quick-curl")
    assert study["trial_counts"]["COMPLETE"] == study["n_trials"] == 50
    assert str(tuner.Best.read(best)) in printed
    assert by_curl["trial_counts"]["COMPLETE"] == by_curl["n_trials"] == 10
    assert json.loads(printed[-1])["code"] == "study_completed"
    assert best["value"] == (best["params"]["x"] - 2) ** 2
    assert "demo-training" in demos


def test_python_page_runs(service: Service, tmp_path: Path) -> None:
    printed = run("docs/python.md", tmp_path, service)

    with HttpClient(service.port) as client:
        states = {each["study_name"]: each["state"] for each in client.get("/studies")}
    assert states["python-loop"] == states["python-optimize"] == "COMPLETED"
    assert states["python-async"] == "COMPLETED"
    assert printed[-1] == "20 trials"


def test_command_line_page_runs(service: Service, tmp_path: Path) -> None:
    printed = run("docs/command-line.md", tmp_path, service)

    with HttpClient(service.port) as client:
        trials = client.all_trials("shell-demo")
        best = client.get("/studies/shell-demo/best")["params"]
        counts = client.get("/studies/metric-demo")["trial_counts"]
    assert [trial["state"] for trial in trials] == ["COMPLETE"] * 8
    assert all(len(trial["intermediate_values"]) == 3 for trial in trials)
    shown = f"lr={best['lr']!r} layers={best['layers']} amp={json.dumps(best['amp'])}"
    assert shown in printed
    assert counts["COMPLETE"] == 8


def test_workers_page_runs(service: Service, tmp_path: Path) -> None:
    printed = run("docs/workers.md", tmp_path, service)

    answers = [json.loads(line) for line in printed if line.startswith("{")]
    created, suggested, completed, best, by_token, fixed, log, annotated = answers
    assert created["study_name"] == "search-opt"
    assert suggested["trial_id"] == 0
    assert list(suggested["params"]) == ["learning_rate", "batch_size", "optimizer"]
    assert (completed["state"], completed["values"]) == ("COMPLETE", [0.83])
    assert best == {"params": suggested["params"], "value": 0.83, "trial_id": 0}
    assert by_token["trial_id"] == 1
    assert (fixed["trial_id"], fixed["params"]["batch_size"]) == (2, 64)
    assert (log["size"], log["dropped"]) == (20, 0)
    assert (annotated["note"], list(annotated["links"])) == ("diverges", ["mlflow"])
    assert "loss is nan" in printed
    ended = 'study "robust-opt" is completed: max_trials'
    assert [line for line in printed if line.startswith("study ")] == [ended, ended]
    with HttpClient(service.port) as client:
        study = client.get("/studies/robust-opt")
        trials = client.all_trials("robust-opt")
    assert (study["state"], study["state_reason"]) == ("COMPLETED", "max_trials")
    assert {trial["state"] for trial in trials} <= {"COMPLETE", "PRUNED"}
    assert len(trials) == 20
    assert {trial["worker_id"] for trial in trials} <= {"gpu-1", "gpu-2"}
    completed = [trial for trial in trials if trial["state"] == "COMPLETE"]
    assert all(len(trial["intermediate_values"]) == 10 for trial in completed)


@pytest.mark.parametrize(
    ("index", "names"),
    [
        (0, ["learning_rate", "min_score", "layers", "batch_size", "optimizer"]),
        (1, ["optimizer", "momentum", "layers", "width"]),
    ],
)
def test_search_space_of_its_page_is_accepted(
    service: Service, index: int, names: list[str]
) -> None:
    space = json.loads(blocks("docs/search-spaces.md")[index].text)

    with HttpClient(service.port) as client:
        study = client.create_study(name=f"search-spaces-{index}", search_space=space)

    assert [parameter["name"] for parameter in study["search_space"]] == names
    assert len(blocks("docs/search-spaces.md")) == 3


def test_change_of_a_search_space_of_its_page_is_accepted(service: Service) -> None:
    space, change = (json.loads(blocks("docs/search-spaces.md")[index].text) for index in (0, 2))
    before = [each for each in space if each["name"] in ("learning_rate", "layers", "optimizer")]

    with HttpClient(service.port) as client:
        client.create_study(name="search-spaces-2", search_space=before)
        study = client.call("PATCH", "/studies/search-spaces-2", change).expect(200)

    assert [each["name"] for each in study["search_space"]] == [
        *("learning_rate", "optimizer", "dropout")
    ]
    assert (study["search_space_version"], study["retired"]) == (2, {"layers": 4})


def test_problem_of_the_api_conventions_is_answered(service: Service) -> None:
    (block,) = blocks("docs/api-conventions.md")
    space = [{"type": "float", "name": "lr", "low": 0.1, "high": 0.01}]

    with HttpClient(service.port) as client:
        answer = client.call("POST", "/studies", {"name": "refused", "search_space": space})

    assert (answer.status, answer.body) == (400, json.loads(block.text))


DOCUMENTS = sorted(
    str(path.relative_to(ROOT)) for path in [*(ROOT / "docs").glob("*.md"), *ROOT.glob("*.md")]
)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_target_of_make_exists(name: str) -> None:
    targets = set(re.findall(r"^([a-z][a-z-]*):", document("Makefile"), re.MULTILINE))

    named = re.findall(r"(?:`|^)make ([a-z-]+)", document(name), re.MULTILINE)

    assert [target for target in named if target not in targets] == []


@pytest.mark.parametrize("name", DOCUMENTS)
def test_management_command_exists(name: str) -> None:
    named = re.findall(r"(?:manage\.py|tuner-server) ([a-z_]+)", document(name))

    assert [command for command in named if command not in get_commands()] == []


def test_commands_page_lists_the_services_own() -> None:
    ours = {name for name, app in get_commands().items() if (ROOT / str(app)).is_dir()}

    listed = set(re.findall(r"^\| `([a-z_]+)", document("docs/commands.md"), re.MULTILINE))

    assert ours <= listed
    assert listed <= set(get_commands())


def test_variable_of_the_configuration_page_exists() -> None:
    variables = set(re.findall(r"^# ([A-Z_]+)=", document(".env.example"), re.MULTILINE))

    named = set(re.findall(r"`([A-Z]+_?[A-Z_]*)`", document("docs/configuration.md")))

    assert named - variables == {"TUNER_ENV_FILE"}  # read from the environment alone

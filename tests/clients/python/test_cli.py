"""The command line, in this process, against a service over the network."""

import io
import json
import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import tuner
from tests.clients.python.agent_process import SOURCES, run_tuner
from tests.clients.python.faulty_server import Answer, faulty_server
from tuner.config import read_settings

SPACE = {"lr": tuner.Float(0.1, 1), "amp": tuner.Categorical([True]), "opt name": tuner.Int(2, 2)}
Tuner = Callable[..., tuple[int, str, str]]


@pytest.fixture
def tuner_command(url: str, monkeypatch: Any, capsys: Any) -> Tuner:
    """Runs a command; returns its exit code, and what it prints to both outputs."""
    monkeypatch.setenv("TUNER_URL", url)

    def run(*arguments: str) -> tuple[int, str, str]:
        code = run_tuner(*arguments)
        return code, *capsys.readouterr()

    return run


@pytest.fixture
def study(url: str, request: pytest.FixtureRequest) -> Iterator[tuner.Study]:
    with tuner.Client(url) as client:
        study = client.create_study(request.node.name, sampler="random", space=SPACE)
        yield study
        study.delete()


# Login ------------------------------------------------------------------------------------


@pytest.mark.parametrize("source", ["file", "variable", "stdin"])
def test_login_saves_a_token_that_the_service_accepts(
    source: str, tmp_path: Path, monkeypatch: Any, capsys: Any
) -> None:
    file = tmp_path / "token"
    file.write_text("abc.def\n")
    monkeypatch.setattr(sys, "stdin", io.StringIO("abc.def\n" if source == "stdin" else "no"))
    if source == "variable":
        monkeypatch.setenv("TUNER_TOKEN", "abc.def")
    options = {"file": ["--token-file", str(file)], "variable": [], "stdin": ["--token-stdin"]}

    with faulty_server(Answer(body=[])) as server:
        assert run_tuner("login", server.url, *options[source]) == 0

    assert server.headers[0]["Authorization"] == "Bearer abc.def"
    monkeypatch.delenv("TUNER_TOKEN", raising=False)
    assert read_settings() == (server.url, "abc.def")
    assert (tmp_path / "tuner.toml").stat().st_mode & 0o777 == 0o600
    assert "abc.def" not in "".join(capsys.readouterr())


def test_login_does_not_save_what_the_service_refuses(tmp_path: Path, capsys: Any) -> None:
    problem = {"status": 401, "code": "not_authenticated", "detail": "the token is unknown"}

    with faulty_server(Answer(401, problem)) as server:
        assert run_tuner("login", server.url) == 1

    assert capsys.readouterr().err == "tuner: 401 not_authenticated: the token is unknown\n"
    assert not (tmp_path / "tuner.toml").exists()


def test_login_reads_no_token_unasked(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("secret\n"))

    with faulty_server(Answer(body=[])) as server:
        assert run_tuner("login", server.url) == 0

    assert read_settings() == (server.url, None)
    assert sys.stdin.read() == "secret\n"


# Studies ----------------------------------------------------------------------------------


def test_create_takes_the_space_as_a_mapping(
    tuner_command: Tuner, url: str, tmp_path: Path
) -> None:
    file = tmp_path / "study.yaml"
    file.write_text(
        """
        name: from-the-file
        direction: minimize
        max_trials: 5
        deadline: 2100-01-31T12:00:00+00:00
        space:
          lr: {type: float, low: 1e-5, high: .1, log: true}
          mode: {type: categorical, choices: [on, off, true, 1.5, "2"]}
        parameter_constraints: [lr < 0.01]
        """
    )

    code, out, _ = tuner_command("create", str(file), "--name", "from the option")

    assert (code, out.split(", http")[0]) == (0, "from the option: ACTIVE, 0 trials")
    with tuner.Client(url) as client:
        info = client.get_study("from the option").info
    assert (info.direction, info.max_trials) == ("minimize", 5)
    assert info.parameter_constraints == ["lr < 0.01"]
    assert info.search_space == [
        {"type": "float", "name": "lr", "low": 1e-5, "high": 0.1, "log": True},
        {"type": "categorical", "name": "mode", "choices": ["on", "off", True, 1.5, "2"]},
    ]
    assert tuner_command("create", str(file), "--name", "from the option")[0] == 0


def test_create_shows_what_the_service_refuses(tuner_command: Tuner, tmp_path: Path) -> None:
    file = tmp_path / "study.yaml"
    file.write_text("name: refused\nspace: {lr: {type: float, low: 1, high: 0.1}}\n")

    code, _, err = tuner_command("create", str(file))

    assert code == 1
    assert err == (
        'tuner: /search_space/0/low: float parameter "lr": low (1.0) is above high (0.1)\n'
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- lr", "expected a mapping with the keys name, space, direction, …"),
        ("name: x", "the search space is missing: expected the key space"),
        ("name: x\nspace: {lr: 3}", "expected a mapping from names to parameters"),
        ("name: x\nspace: {a: {}, a: {}}", "a key is there twice"),
        ("name: [", "is not YAML: "),
        ("space: {}\nsearch_space: []", "either space or search_space, not both"),
        (
            "space: {a: {type: int, low: 1, high: 2}}",
            "the name is missing: expected the key name",
        ),
        ("name: a/b\nspace: {}", '"a/b" cannot name a study'),
    ],
)
def test_create_refuses_a_file_that_is_no_definition(
    text: str, message: str, tuner_command: Tuner, tmp_path: Path
) -> None:
    file = tmp_path / "study.yaml"
    file.write_text(text)

    code, _, err = tuner_command("create", str(file))

    assert code == 2
    assert message in err


def test_studies_are_listed(tuner_command: Tuner, study: tuner.Study) -> None:
    code, out, _ = tuner_command("studies", "--limit", "1")
    _, as_json, _ = tuner_command("studies", "--limit", "1", "--format", "json")

    head, row = out.splitlines()
    assert code == 0
    heads = ["study", "state", "trials", "best", "value", "sampler", "created", "tags"]
    assert head.split() == heads
    assert row.split()[:4] == [study.name, "ACTIVE", "0", "random"]
    assert [each["study_name"] for each in json.loads(as_json)] == [study.name]


def test_studies_are_found_by_tags(tuner_command: Tuner, tmp_path: Path) -> None:
    file = tmp_path / "study.yaml"
    text = "name: tagged by file\nspace: {x: {type: float, low: 0, high: 1}}\ntags: [From File]\n"
    file.write_text(text)
    assert tuner_command("create", str(file), "--tag", "cli", "--tag", "two words")[0] == 0

    for tags in (["--tag", "CLI"], ["--tag", "cli", "--tag", "from file"]):
        code, out, _ = tuner_command("studies", *tags)
        assert code == 0
        assert out.splitlines()[1].endswith("cli, from file, two words")
    _, out, _ = tuner_command("studies", "--tag", "cli", "--tag", "none", "--format", "json")
    assert json.loads(out) == []


# Results ----------------------------------------------------------------------------------


def test_best_is_printed_for_programs_and_for_shells(
    tuner_command: Tuner, study: tuner.Study
) -> None:
    study.add({"lr": 0.5, "amp": True, "opt name": 2}, values=1)
    expected = {"trial_id": 0, "params": {"lr": 0.5, "amp": True, "opt name": 2}, "value": 1.0}

    assert json.loads(tuner_command("best", study.name)[1]) == expected
    assert tuner_command("best", study.name, "--format", "yaml")[1] == (
        "trial_id: 0\nparams:\n  lr: 0.5\n  amp: true\n  opt name: 2\nvalue: 1.0\n"
    )
    exports = tuner_command("best", study.name, "--format", "env")[1]
    shown = subprocess.check_output(
        ["sh", "-c", f"eval {shlex.quote(exports)}; sh -c 'echo \"$lr $amp $opt_name\"'"], text=True
    )
    assert shown == "0.5 true 2\n"


def test_values_are_quoted_for_a_shell(tuner_command: Tuner, url: str) -> None:
    value = "it's; $(touch x) \n`ls`"
    space = {"1.a": tuner.Categorical([value]), "b-c": tuner.Int(1, 1)}
    with tuner.Client(url) as client:
        study = client.create_study("quoted", space=space)
        study.add({"1.a": value, "b-c": 1}, values=1)

    exports = tuner_command("best", "quoted", "--format", "env")[1]
    script = f'eval {shlex.quote(exports)}; printf "%s" "$_1_a$b_c"'

    assert subprocess.check_output(["sh", "-c", script], text=True) == f"{value}1"


def test_trials_are_filtered_and_ordered(tuner_command: Tuner, study: tuner.Study) -> None:
    for lr, value in [(0.2, 1), (0.4, 3), (0.3, 2)]:
        study.add({"lr": lr, "amp": True, "opt name": 2}, values=value)
    study.add({"lr": 0.5, "amp": True, "opt name": 2}, state="FAIL", reason="no memory\nat line 1")

    _, complete, _ = tuner_command(
        "trials", study.name, "--state", "COMPLETE", "--order-by=-value", "--min-value", "2"
    )
    _, failed, _ = tuner_command("trials", study.name, "--state", "FAIL", "--format", "json")
    _, last, _ = tuner_command("trials", study.name, "--state", "FAIL")

    assert [row.split()[:6] for row in complete.splitlines()[1:]] == [
        ["1", "COMPLETE", "3", "0.4", "true", "2"],
        ["2", "COMPLETE", "2", "0.3", "true", "2"],
    ]
    assert [trial["trial_id"] for trial in json.loads(failed)] == [3]
    assert last.endswith("no memory\n")


def test_status_is_watched_until_the_study_ends(tuner_command: Tuner, study: tuner.Study) -> None:
    study.add({"lr": 0.2, "amp": True, "opt name": 2}, values=1)
    study.add({"lr": 0.2, "amp": True, "opt name": 2}, state="FAIL", reason="no memory")
    trial = study.ask()
    line = f"{study.name}: ACTIVE: 2 trials done, 1 failed, 1 running, best 1.0 (trial 0)"

    _, out, _ = tuner_command("status", study.name)
    _, as_json, _ = tuner_command("status", study.name, "--format", "json")
    trial.give_back()
    study.cancel("enough")
    code, watched, _ = tuner_command("status", study.name, "--watch")

    assert out.splitlines()[0].startswith(line)
    assert out.splitlines()[1].startswith("  trial 2: running for 0 min ")
    assert out.splitlines()[2] == "  1 failed, the last is trial 1: no memory"
    assert json.loads(as_json)["n_done"] == 2
    assert code == 0
    assert watched.startswith(f"{study.name}: CANCELLED (enough): ")


# Changes ----------------------------------------------------------------------------------


def test_study_is_paused_resumed_and_cancelled(tuner_command: Tuner, study: tuner.Study) -> None:
    answers = [
        tuner_command(action, study.name, "--reason", f"to {action}")
        for action in ("pause", "resume", "cancel")
    ]

    states = ["PAUSED", "ACTIVE", "CANCELLED"]
    assert answers == [(0, f"{study.name}: {state}\n", "") for state in states]
    assert study.refresh().state_reason == "to cancel"


def test_failed_trials_are_queued_again(tuner_command: Tuner, study: tuner.Study) -> None:
    for _ in range(2):
        study.add({"lr": 0.2, "amp": True, "opt name": 2}, state="FAIL")

    assert tuner_command("retry-failed", study.name)[1] == f"{study.name}: 2 trials queued again\n"
    assert [trial.state for trial in study.trials()] == ["FAIL"] * 2 + ["WAITING"] * 2


def test_exported_study_is_imported(
    tuner_command: Tuner, study: tuner.Study, url: str, tmp_path: Path
) -> None:
    study.add({"lr": 0.2, "amp": True, "opt name": 2}, values=1)
    file = tmp_path / "study.jsonl"

    assert tuner_command("export", study.name, "-o", str(file)) == (0, "", "")
    tried = tuner_command("import", str(file), "--conflict", "rename", "--dry-run")
    refused, _, err = tuner_command("import", str(file))
    done = tuner_command("import", str(file), "--conflict", "rename")

    assert [code for code, _, _ in (tried, done)] == [0, 0]
    assert (refused, err.split(": ")[:2]) == (1, ["tuner", "409 study_exists"])
    (imported,) = json.loads(done[1])["studies"]
    with tuner.Client(url) as client:
        copy = client.get_study(imported["imported_as"])
        assert (copy.name != study.name, copy.best_value) == (True, 1.0)


def test_page_of_a_study_is_opened(study: tuner.Study, url: str, tmp_path: Path) -> None:
    browser = tmp_path / "browser"
    browser.write_text('#!/bin/sh\necho "$1" > opened\n')
    browser.chmod(0o755)

    def open_page(**variables: str) -> str:
        environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(SOURCES), "TUNER_URL": url}
        return subprocess.check_output(
            [sys.executable, "-m", "tuner.cli", "open", study.name],
            cwd=tmp_path, env={**environment, **variables}, text=True,
        )  # fmt: skip

    assert open_page() == f"{study.url}\n"
    assert open_page(BROWSER=str(browser)) == ""
    assert (tmp_path / "opened").read_text() == f"{study.url}\n"


# Errors -----------------------------------------------------------------------------------


def test_unknown_study_is_an_error_in_one_line(tuner_command: Tuner) -> None:
    code, out, err = tuner_command("status", "nowhere")

    assert (code, out) == (1, "")
    assert err.startswith("tuner: 404 study_not_found: ")
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["status"], "the following arguments are required: STUDY"),
        (["status", "a/b"], '"a/b" cannot name a study'),
        (["status", "a", "--token", "t"], "unrecognized arguments: --token t"),
        (["status", "a", "--", "b"], "only `tuner agent` takes a command"),
        (["--url", "ftp://x", "status", "a"], "expected http:// or https:// and a host"),
        (["status", "a"], "the address of the service is not known"),
    ],
)
def test_wrong_usage_is_an_error(arguments: list[str], message: str, capsys: Any) -> None:
    assert run_tuner(*arguments) == 2

    assert message in capsys.readouterr().err


def test_missing_file_is_an_error_in_one_line(tuner_command: Tuner) -> None:
    code, _, err = tuner_command("import", "nowhere.jsonl")

    assert code == 1
    assert err == "tuner: [Errno 2] No such file or directory: 'nowhere.jsonl'\n"

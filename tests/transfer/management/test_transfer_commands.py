"""The management commands for export and import."""

import io
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from rest_framework.test import APIClient

from studies.models import Study
from tests.support.api_client import add_trials, create_study
from tests.support.transfer_files import (
    delete_study,
    export_study,
    import_file,
    parsed_lines,
    random_study_file,
)

pytestmark = pytest.mark.django_db


def run(command: str, *arguments: str) -> str:
    output = io.StringIO()
    call_command(command, *arguments, stdout=output)
    return output.getvalue()


@pytest.fixture
def names(api: APIClient) -> list[str]:
    """Two studies."""
    files = [random_study_file(seed) for seed in (1, 2)]
    import_file(api, b"".join(files))
    return [parsed_lines(file)[0]["study_name"] for file in files]


def test_exported_studies_are_imported(api: APIClient, names: list[str], tmp_path: Path) -> None:
    path = tmp_path / "studies.jsonl"
    expected = [export_study(api, name) for name in names]

    assert run("export_study", *names, "--output", str(path)) == ""

    assert path.read_bytes() == b"".join(expected)
    assert [each.name for each in tmp_path.iterdir()] == ["studies.jsonl"]
    for name in names:
        delete_study(api, name)
    n_trials = [len(parsed_lines(file)) - 2 for file in expected]
    assert run("import_study", str(path)) == "".join(
        f'study "{name}": imported with {n} trials\n'
        for name, n in zip(names, n_trials, strict=True)
    )
    assert [export_study(api, name) for name in names] == expected


def test_all_studies_are_exported_to_standard_output(api: APIClient, names: list[str]) -> None:
    assert run("export_study", "--all").encode() == b"".join(
        export_study(api, name) for name in names
    )


def test_standard_input_is_read(
    api: APIClient, names: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = run("export_study", names[0])
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(file.encode())))
    assert f'study "{names[0]}": imported as "{names[0]} (2)"' in run(
        "import_study", "-", "--conflict", "rename"
    )


def test_dry_run_stores_nothing(api: APIClient, names: list[str], tmp_path: Path) -> None:
    path = tmp_path / "studies.jsonl"
    run("export_study", "--all", "--output", str(path))
    for name in names:
        delete_study(api, name)
    *imported, last = run("import_study", str(path), "--dry-run").splitlines()
    assert [line.split(" with ")[0] for line in imported] == [
        f'study "{name}": imported' for name in names
    ]
    assert last == "a dry run: nothing was stored"
    assert not Study.objects.exists()


def test_progress_is_shown_on_request(
    api: APIClient, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    create_study(api)
    add_trials(api, [{"params": {"x": 0.5}}] * 3)
    path = str(tmp_path / "study.jsonl")

    run("export_study", "search", "--output", path)
    run("import_study", path, "--dry-run", "--conflict", "skip")
    assert capsys.readouterr().err == ""
    run("export_study", "search", "--output", path, "--progress")
    assert "5/5" in capsys.readouterr().err
    run("import_study", path, "--conflict", "rename", "--progress")
    assert "100%" in capsys.readouterr().err


def test_invalid_file_is_reported_by_line(api: APIClient, names: list[str], tmp_path: Path) -> None:
    path = tmp_path / "cut.jsonl"
    path.write_bytes(random_study_file(3)[:-1000])
    with pytest.raises(CommandError, match=r"^line \d+: ") as refused:
        run("import_study", str(path))
    assert refused.value.returncode == 1
    assert Study.objects.count() == 2


@pytest.mark.parametrize(
    ("command", "arguments", "reason"),
    [
        ("export_study", ["ghost"], 'there is no study "ghost"'),
        ("export_study", [], "give the names of studies, or --all"),
        ("export_study", ["ghost", "--all"], "give the names of studies, or --all"),
        ("import_study", ["/nowhere/file"], "No such file"),
        ("import_study", ["/nowhere/file", "--sampler", "tpe"], "are only for --storage"),
        ("import_study", [], "required"),
    ],
)
def test_errors_are_reported_in_one_line(command: str, arguments: list[str], reason: str) -> None:
    with pytest.raises(CommandError, match=reason):
        run(command, *arguments)


def test_failed_export_keeps_the_old_file(
    api: APIClient, names: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "studies.jsonl"
    path.write_text("before")
    with pytest.raises(CommandError):
        run("export_study", names[0], "ghost", "--output", str(path))
    assert path.read_text() == "before"
    assert [each.name for each in tmp_path.iterdir()] == ["studies.jsonl"]

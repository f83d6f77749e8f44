"""Output files of the command `export_study`."""

import io
import os
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from rest_framework.test import APIClient

from tests.support.api_client import create_study
from tests.support.transfer_files import export_study
from transfer.domain import exporting

pytestmark = pytest.mark.django_db


@pytest.fixture
def file(api: APIClient) -> bytes:
    create_study(api)
    return export_study(api)


def write(path: Path) -> None:
    call_command("export_study", "search", "--output", str(path))


def test_other_files_are_kept(file: bytes, tmp_path: Path) -> None:
    path, other = tmp_path / "x.jsonl", tmp_path / "x.jsonl.part"
    other.write_text("mine")
    write(path)
    assert (path.read_bytes(), other.read_text()) == (file, "mine")
    assert sorted(each.name for each in tmp_path.iterdir()) == ["x.jsonl", "x.jsonl.part"]


def test_symbolic_link_stays_a_link(file: bytes, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    link, target = tmp_path / "link", folder / "target"
    target.write_text("before")
    link.symlink_to(target)
    write(link)
    assert link.is_symlink()
    assert target.read_bytes() == file


def test_pipe_stays_a_pipe(file: bytes, tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    read: list[bytes] = []
    reader = Thread(target=lambda: read.append(path.read_bytes()))
    reader.start()
    write(path)
    reader.join(60)
    assert read == [file]
    assert path.is_fifo()


def test_file_mode_is_kept_or_follows_the_umask(file: bytes, tmp_path: Path) -> None:
    new, old, touched = tmp_path / "new", tmp_path / "old", tmp_path / "touched"
    touched.touch()
    old.touch(0o600)
    for path in (new, old):
        write(path)
    assert new.stat().st_mode == touched.stat().st_mode
    assert old.stat().st_mode & 0o777 == 0o600


def test_folder_is_refused_as_a_file(file: bytes, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="Is a directory"):
        write(tmp_path)


def test_interrupted_export_keeps_the_old_file(
    file: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text("before")
    monkeypatch.delattr(exporting, "end_line")
    with pytest.raises(NameError):
        write(path)
    assert path.read_text() == "before"
    assert [each.name for each in tmp_path.iterdir()] == ["x.jsonl"]


class Head(io.StringIO):
    """A reader that hangs up after one line."""

    def write(self, text: str) -> int:
        if self.tell():
            raise BrokenPipeError(32, "Broken pipe")
        return super().write(text)


@pytest.mark.django_db(transaction=True)
def test_closed_pipe_ends_the_transaction(file: bytes) -> None:
    output: Any = Head()
    with pytest.raises(CommandError, match="Broken pipe") as refused:
        call_command("export_study", "--all", stdout=output)
    assert refused.value.returncode == 1
    assert not connection.in_atomic_block

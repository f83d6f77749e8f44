"""The pages on schedulers: short, and what they quote is in the files that the proofs run."""

import re
from pathlib import Path

import pytest

from tests.docs.test_commands import blocks
from tests.docs.test_links import links
from tests.support import ROOT

FOLDER = ROOT / "docs" / "schedulers"
PAGES = sorted(FOLDER.glob("*.md"))
EXAMPLES = [
    *(ROOT / "clients/python/examples").glob("*"),
    *(ROOT / "clients/hydra/example").glob("*.*"),
    *(ROOT / "deploy/workers").glob("*"),
]


def linked_files(page: Path) -> list[Path]:
    files = [(FOLDER / target.partition("#")[0]).resolve() for target in links(page)]
    return [file for file in files if file in EXAMPLES]


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_scheduler_page_is_short(page: Path) -> None:
    assert len(page.read_text().splitlines()) <= 60


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_scheduler_page_quotes_its_files(page: Path) -> None:
    texts = [file.read_text() for file in linked_files(page)]
    commands = [
        block
        for block in blocks(str(page.relative_to(ROOT)))
        if not any(block.text in text for text in texts)
    ]
    assert [block for block in commands if block.language != "sh" or "#!" in block.text] == []


def test_examples_are_linked() -> None:
    linked = {file for page in PAGES for file in linked_files(page)}
    programs = [file for file in EXAMPLES if file.suffix in {".py", ".sh", ".yaml"}]
    assert [file for file in programs if file not in linked] == []


def test_examples_are_run_by_a_proof() -> None:
    proofs = [
        *(ROOT / "tests/accept/schedulers").glob("*.py"),
        *(ROOT / "deploy/workers").glob("*"),
    ]
    text = "".join(file.read_text() for file in proofs)
    programs = [file.name for file in EXAMPLES if file.suffix in {".py", ".sh"}]
    assert [name for name in programs if not re.search(rf"\b{name}\b", text)] == []

"""Documents: every relative link leads to a file, and every page is linked from a README."""

import re
from collections import Counter
from pathlib import Path
from urllib.parse import unquote

import pytest

from tests.support import ROOT

DOCUMENTS = sorted(
    [*(ROOT / "docs").rglob("*.md"), *ROOT.glob("*.md"), *ROOT.glob("clients/*/README.md")]
)
FENCE = re.compile(r"^(```|~~~).*?^\1", re.DOTALL | re.MULTILINE)
CODE = re.compile(r"`[^`]+`")
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)|<img [^>]*?src=\"([^\"]+)\"")
HEADING = re.compile(r"^#{1,6} +(.+?)\s*$", re.MULTILINE)


def links(document: Path) -> list[str]:
    """The targets of a document's links and images that lie in the repository."""
    text = CODE.sub("", FENCE.sub("", document.read_text()))
    targets = [one or other for one, other in LINK.findall(text)]
    return [target for target in targets if not re.match(r"[a-z]+:", target)]


def anchors(document: Path) -> set[str]:
    """The names by which GitHub links to a document's headings."""
    found: set[str] = set()
    seen: Counter[str] = Counter()
    for heading in HEADING.findall(FENCE.sub("", document.read_text())):
        text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
        name = re.sub(r"[^\w\- ]", "", text).replace(" ", "-")
        found.add(f"{name}-{seen[name]}" if seen[name] else name)
        seen[name] += 1
    return found


def leads_somewhere(document: Path, target: str) -> bool:
    """Whether a link in a document leads to a file of the repository and, if named, a heading."""
    path, _, anchor = target.partition("#")
    file = (document.parent / unquote(path)).resolve() if path else document
    if not file.is_relative_to(ROOT) or not file.exists():
        return False
    return not anchor or (file.suffix == ".md" and anchor in anchors(file))


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_link_leads_to_a_file_and_a_heading(document: Path) -> None:
    assert [target for target in links(document) if not leads_somewhere(document, target)] == []


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("docs/workers.md", True),
        ("docs/workers.md#by-curl", True),
        ("#start", True),
        ("docs/nowhere.md", False),
        ("docs/workers.md#nowhere", False),
        ("#nowhere", False),
        ("../elsewhere.md", False),
    ],
)
def test_broken_link_is_found(target: str, expected: bool) -> None:
    assert leads_somewhere(ROOT / "README.md", target) is expected


def test_readme_links_to_every_document() -> None:
    """It does, or the README of a folder to the pages in it, or they to the READMEs of packages."""
    readmes = [path for path in DOCUMENTS if path.name == "README.md"]
    linked = {(path.parent / target).resolve() for path in readmes for target in links(path)}
    pages = [path for path in DOCUMENTS if path in linked]
    linked |= {(path.parent / target).resolve() for path in pages for target in links(path)}

    assert [path for path in DOCUMENTS if path not in linked] == [ROOT / "README.md"]


def test_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 150


def test_anchors_are_named_as_github_does(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# The admin's login\n\n```sh\n# no heading\n```\n\n## `a_b` (c)\n\n## A_b c\n")

    assert anchors(page) == {"the-admins-login", "a_b-c", "a_b-c-1"}

"""Code blocks of the documents."""

import re
from dataclasses import dataclass

from tests.support import ROOT

_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
SERVED_AT = "http://127.0.0.1:8000"  # the service, in the documents


@dataclass(frozen=True)
class Block:
    """A code block of a document, and the line that it begins at."""

    language: str
    text: str
    line: int


def document(name: str) -> str:
    return (ROOT / name).read_text()


def blocks(name: str) -> list[Block]:
    """All code blocks of a document."""
    text = document(name)
    found = [
        Block(match[1], match[2], text.count("\n", 0, match.start()) + 1)
        for match in _BLOCK.finditer(text)
    ]
    assert 2 * len(found) == len(re.findall(r"^\s*(```|~~~)", text, re.MULTILINE)), name
    return found

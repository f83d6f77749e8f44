"""Derive the client with threads, `tuner._sync`, from the one with asyncio, `tuner._async`.

Both are checked in; a test compares them. Run it after a change of `tuner._async`:

    python clients/python/generate_sync.py
"""

import re
import subprocess
import sys
from pathlib import Path

import unasync

PACKAGE = Path(__file__).parent / "src" / "tuner"
NOT_DERIVED = {"tasks.py"}
# Of the names of classes, ours and the HTTP library's; unasync makes Sync of Async.
PREFIX = re.compile(r"\b(?:Async|Sync)(?=[A-Z])")


def generate(target: Path) -> None:
    """Write the derived modules into a folder, which takes the place of `tuner/_sync`."""
    sources = [file for file in (PACKAGE / "_async").glob("*.py") if file.name not in NOT_DERIVED]
    names = {"_async": "_sync", "aclose": "close", "aclosing": "closing"}
    rule = unasync.Rule(f"{PACKAGE}/_async/", f"{target}/", additional_replacements=names)
    unasync.unasync_files([str(file) for file in sources], [rule])
    for derived in (target / file.name for file in sources):
        derived.write_text(PREFIX.sub("", derived.read_text()).replace("asyncio", "threads"))
        _ruff("check", "--fix", "--select", "I", derived)
        _ruff("format", derived)


def _ruff(*arguments: str | Path) -> None:
    config = ["--quiet", "--config", PACKAGE.parents[1] / "pyproject.toml"]
    subprocess.run([sys.executable, "-m", "ruff", *arguments, *config], check=True)


if __name__ == "__main__":
    generate(PACKAGE / "_sync")

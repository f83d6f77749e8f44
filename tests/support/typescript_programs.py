"""Programs of the TypeScript client's README, in a project of their own."""

import re
from pathlib import Path

from tests.support.http_client import HttpClient
from tests.support.service import Service
from tests.support.typescript_client import PACKAGE

QUICK_START = "quick-start.mjs"
SERVED_AT = "http://127.0.0.1:8000"  # in the README

_BLOCK = re.compile(r"^```js\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def url(service: Service) -> str:
    return f"http://127.0.0.1:{service.port}"


def link_client(folder: Path) -> None:
    """Make a folder an npm project that has the client of this checkout."""
    modules = folder / "node_modules" / "@tuner"
    modules.mkdir(parents=True)
    (modules / "client").symlink_to(PACKAGE)


def save_quick_start(folder: Path, service: Service) -> None:
    """Save the program of the README as QUICK_START."""
    (program,) = _BLOCK.findall((PACKAGE / "README.md").read_text())
    (folder / QUICK_START).write_text(program.replace(SERVED_AT, url(service)))


def check_quick_start(printed: str, service: Service) -> None:
    """Check what the program has printed and done, and delete its study."""
    assert 'study "typescript-quick-start" is completed: max_trials' in printed
    with HttpClient(service.port) as client:
        study = client.get("/studies/typescript-quick-start")
        best = client.get("/studies/typescript-quick-start/best")
        client.call("DELETE", "/studies/typescript-quick-start").expect(204)
    assert study["trial_counts"]["COMPLETE"] == study["n_trials"] == 50
    assert best["value"] == (best["params"]["x"] - 2) ** 2

"""The TypeScript client: compiled, and its tests run by Node."""

import fcntl
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from tests.support import ROOT

PACKAGE = ROOT / "clients" / "typescript"
OLDEST_NODE = 20
SECONDS_FOR_TESTS = 300
SERVICE_TESTS = tuple(
    f"service/{name}" for name in ("existing", "faults", "leases", "outcomes", "restarts", "worker")
)
NOTHING: Mapping[str, str] = MappingProxyType({})


def missing_tools() -> str | None:
    """What the tests of the client lack on this machine, and what installs it; None: nothing."""
    if shutil.which("node") is None:
        return "there is no Node: install version 20 or newer"
    version = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True)
    if int(re.findall(r"\d+", version.stdout)[0]) < OLDEST_NODE:
        return f"Node is too old ({version.stdout.strip()}): install version 20 or newer"
    if not (PACKAGE / "node_modules" / ".installed").exists():
        return "the npm packages are not installed: run `make typescript`"
    return None


def build() -> None:
    """Compile the client and its tests, as far as they have changed."""
    (PACKAGE / "build").mkdir(exist_ok=True)
    with (PACKAGE / "build" / ".lock").open("w") as lock:  # against the other test processes
        fcntl.flock(lock, fcntl.LOCK_EX)
        run("node", "node_modules/typescript/bin/tsc", "--build", "tests")


def run_tests(*files: str, **environment: str) -> None:
    """Run compiled tests, by their names below `build` without `.test.js`."""
    paths = [f"build/{name}.test.js" for name in files]
    options = ["--test", "--test-reporter=spec", "--test-timeout=120000"]
    run("node", *options, f"--test-concurrency={len(files)}", *paths, env=environment)


def run(*command: str, cwd: Path = PACKAGE, env: Mapping[str, str] = NOTHING) -> str:
    """Run a program, with these variables added to the environment; return what it printed."""
    done = subprocess.run(
        command, cwd=cwd, env={**os.environ, **env}, capture_output=True, text=True,
        timeout=SECONDS_FOR_TESTS, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{done.stdout[-6000:]}\n{done.stderr[-3000:]}"
    return done.stdout

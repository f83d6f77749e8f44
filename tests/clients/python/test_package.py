"""The package: the derived half, and its independence."""

import ast
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

from tests.support import ROOT

PROJECT = ROOT / "clients/python"
PACKAGE = PROJECT / "src/tuner"
OWN_PACKAGES = {
    "access", "analysis", "console", "events", "optuna_bridge", "studies", "transfer", "trials",
    "tuner_project",
}  # fmt: skip


def test_client_for_threads_is_derived_from_that_for_asyncio(tmp_path: Path) -> None:
    spec = spec_from_file_location("generate_sync", PROJECT / "generate_sync.py")
    assert spec is not None
    assert spec.loader is not None
    generator = module_from_spec(spec)
    spec.loader.exec_module(generator)
    generator.generate(tmp_path)
    derived = {file.name: file.read_text() for file in tmp_path.glob("*.py")}
    stored = {file.name: file.read_text() for file in (PACKAGE / "_sync").glob("*.py")}
    stored.pop("tasks.py")
    assert derived == stored, "run: python clients/python/generate_sync.py"


def test_client_imports_nothing_of_the_service_and_little_else() -> None:
    allowed = {*sys.stdlib_module_names, "tuner", "httpx", "httpx2", "tomli"}
    optional = {"optuna", "pandas", "tqdm"}
    for file in PACKAGE.rglob("*.py"):
        tree = ast.parse(file.read_text())
        imported = {
            name.split(".")[0]
            for node in ast.walk(tree)
            if isinstance(node, ast.Import | ast.ImportFrom)
            for name in (
                [alias.name for alias in node.names]
                if isinstance(node, ast.Import)
                else [node.module or ""]
            )
        }
        assert not imported & OWN_PACKAGES, file
        if file.parent.name in {"_async", "_sync", "_wire", "_worker"} or file.parent == PACKAGE:
            assert imported <= allowed | optional, file

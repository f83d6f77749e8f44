"""First uses of libraries by several threads at a time."""

import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from analysis.lazy_imports import load

_MODULE = "import time\ntime.sleep(0.05)\nimport {other}\n"


def test_modules_that_import_each_other_are_loaded_by_several_threads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ("lazily_imported_a", "lazily_imported_b")
    for name, other in (names, names[::-1]):
        (tmp_path / f"{name}.py").write_text(_MODULE.format(other=other))
    monkeypatch.syspath_prepend(tmp_path)
    begun = threading.Barrier(2)

    def first_use(name: str) -> str:
        begun.wait(10)
        return load(name).__name__

    try:
        with ThreadPoolExecutor(2) as pool:
            assert tuple(pool.map(first_use, names)) == names
    finally:
        for name in names:
            sys.modules.pop(name, None)

"""The table at the end: what each proof found, and how long it took.

A proof adds its lines by pytest's own `record_property("found", line)`.
"""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.accept.service import SCALE

HERE = "tests/accept/"


def pytest_terminal_summary(terminalreporter: Any) -> None:
    reports = list(_reports(terminalreporter.stats))
    if not reports:
        return
    terminalreporter.section(f"long proofs (scale {SCALE:g})")
    for report in reports:
        proof, _, what = report.nodeid.removeprefix(HERE).partition("::")
        seconds = f"{report.duration:7.1f} s"
        terminalreporter.line(f"{report.outcome:7} {seconds}  {proof.removesuffix('.py')}: {what}")
        for name, line in report.user_properties:
            if name == "found":
                terminalreporter.line(f"{'':19}{line}")


def _reports(stats: dict[str, list[Any]]) -> Iterator[pytest.TestReport]:
    for outcome in ("passed", "failed", "error"):
        for report in stats.get(outcome, []):
            if report.nodeid.startswith(HERE):
                yield report

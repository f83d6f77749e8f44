"""Print a table at the end: what each proof found, and how long it took.

A proof adds its lines with pytest's own `record_property("found", line)`.
"""

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support import SCALE

HERE = "tests/accept/"


def pytest_terminal_summary(terminalreporter: Any) -> None:
    reports = [
        report
        for found in terminalreporter.stats.values()
        for report in found
        if isinstance(report, pytest.TestReport) and report.nodeid.startswith(HERE)
    ]
    if not reports:
        return
    seconds: dict[str, float] = defaultdict(float)  # of each test, with its fixtures
    for report in reports:
        seconds[report.nodeid] += report.duration
    terminalreporter.section(f"long proofs (scale {SCALE:g})")
    for report in reports:
        if report.when == "call" or report.failed:
            for line in _lines(report, seconds[report.nodeid]):
                terminalreporter.line(line)
    terminalreporter.line(f"{sum(seconds.values()):15.1f} s  altogether")


def _lines(report: pytest.TestReport, seconds: float) -> Iterator[str]:
    file, _, test = report.nodeid.removeprefix(HERE).partition("::")
    yield f"{report.outcome:7}{seconds:8.1f} s  {file.removesuffix('.py')}: {test}"
    for name, line in report.user_properties:
        if name == "found":
            yield f"{'':19}{line}"

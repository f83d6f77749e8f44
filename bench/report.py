"""What was measured, as a table in text and in Markdown, and as a plot."""

import os
import platform
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import psutil

PACKAGES = ("django", "djangorestframework", "optuna", "psycopg", "numpy", "gunicorn", "grpcio")


@dataclass(frozen=True)
class Row:
    """One line of the table: a ratio, and how it stands to its target."""

    work: str
    ratio: float
    target: float
    at_most: bool  # else at least
    figures: str  # what the ratio was made of

    @property
    def is_met(self) -> bool:
        return self.ratio <= self.target if self.at_most else self.ratio >= self.target

    def cells(self) -> list[str]:
        sign = "≤" if self.at_most else "≥"
        met = "yes" if self.is_met else "**no**"
        return [self.work, f"{self.ratio:.2f}", f"{sign} {self.target:g}", met, self.figures]


@dataclass
class Section:
    """Rows that were measured in one way. `note` says how, and what is excluded."""

    title: str
    note: str
    rows: list[Row] = field(default_factory=list)


def spread(values: Sequence[float], unit: str, factor: float = 1.0) -> str:
    """The median, with the least and the most."""
    low, middle, high = (f(values) * factor for f in (min, statistics.median, max))
    return f"{middle:.3g} ({low:.3g} to {high:.3g}) {unit}"


def milliseconds(values: Sequence[float]) -> str:
    return f"{statistics.median(values) * 1e3:.3g} ms"


def markdown(sections: Iterable[Section], postgresql: Mapping[str, str]) -> str:
    lines = [
        "# What the service costs",
        "",
        "Written by `make bench`. Every ratio is of one run, on one machine with one PostgreSQL "
        "server: database, service and clients together. p50 is the median.",
        "",
        *_machine(postgresql),
        "",
        "![p50 of an ask against finished trials](ask_latency.svg)",
    ]
    for section in sections:
        lines += ["", f"## {section.title}", "", section.note, ""]
        lines += ["| work | ratio | target | met | measured |", "|---|---|---|---|---|"]
        lines += [f"| {' | '.join(row.cells())} |" for row in section.rows]
    return "\n".join(lines) + "\n"


def text(sections: Iterable[Section]) -> str:
    rows = [row.cells() for section in sections for row in section.rows]
    widths = [max(len(row[i]) for row in rows) for i in range(4)] if rows else []
    return "\n".join(
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[4]])
        for row in rows
    )


def _machine(postgresql: Mapping[str, str]) -> list[str]:
    memory = psutil.virtual_memory().total / 2**30
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    settings = ", ".join(f"{name} {value}" for name, value in postgresql.items())
    return [
        f"- {datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores ({_processor()}), "
        f"{memory:.0f} GiB, {platform.system()}",
        f"- Python {platform.python_version()}, {packages}",
        f"- PostgreSQL: {settings}",
    ]


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor()


def plot(latencies: Mapping[str, Mapping[int, float]], file: Path) -> None:
    """p50 of an ask in seconds, by who was asked and how many trials were finished, as SVG."""
    import matplotlib as mpl

    mpl.use("Agg")
    mpl.rcParams["svg.hashsalt"] = "the same file for the same figures"
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(8, 4.5))
    for name, by_size in latencies.items():
        sizes, seconds = zip(*sorted(by_size.items()), strict=True)
        (line,) = axes.plot(sizes, [each * 1e3 for each in seconds], marker="o")
        axes.annotate(
            f" {name}",
            (sizes[-1], seconds[-1] * 1e3),
            color=line.get_color(),
            va="center",
        )
    axes.set(xscale="log", yscale="log", xlabel="finished trials", ylabel="ask, p50 in ms")
    axes.margins(x=0.25)
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(file, metadata={"Date": None})

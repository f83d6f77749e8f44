"""The report: tables as text and as Markdown, and a plot."""

import os
import platform
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import psutil

import tuner_project

PACKAGES = ("django", "djangorestframework", "optuna", "psycopg", "numpy", "gunicorn", "grpcio")


_APART = 1.18  # times higher stands the next label of the plot, at least


@dataclass(frozen=True)
class Row:
    """One line of the table: a ratio and its target."""

    work: str
    ratio: float
    target: float | None  # None: for comparison only
    at_most: bool  # else at least
    figures: str  # the figures that the ratio is derived from

    @property
    def is_met(self) -> bool:
        if self.target is None:
            return True
        return self.ratio <= self.target if self.at_most else self.ratio >= self.target

    def cells(self) -> list[str]:
        sign = "≤" if self.at_most else "≥"
        target = "" if self.target is None else f"{sign} {self.target:.3g}"
        met = "" if self.target is None else "yes" if self.is_met else "**no**"
        # Three digits, so that a target that is just missed does not look met.
        ratio = f"{self.ratio:.3f}" if self.ratio < 1 else f"{self.ratio:.2f}"
        return [self.work, ratio, target, met, self.figures]


@dataclass
class Section:
    """Rows that were measured in one way. `note` says how, and what is excluded."""

    title: str
    note: str
    rows: list[Row] = field(default_factory=list)
    # Of the plot: p50 of an ask in seconds, by who was asked and how many trials were finished.
    curves: dict[str, dict[int, float]] = field(default_factory=dict)


def spread(values: Sequence[float], unit: str, factor: float = 1.0) -> str:
    """The median, with the least and the most."""
    low, middle, high = (f(values) * factor for f in (min, statistics.median, max))
    return f"{_short(middle)} ({_short(low)} to {_short(high)}) {unit}"


def milliseconds(values: Sequence[float]) -> str:
    return f"{_short(statistics.median(values) * 1e3)} ms"


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


def write(sections: Sequence[Section], machine: Sequence[str], folder: Path) -> None:
    """Write the document, and the plot if there are curves."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "RESULTS.md").write_text(markdown(sections, machine))
    if curves := {name: each for section in sections for name, each in section.curves.items()}:
        plot(curves, folder / "ask_latency.svg")


def markdown(sections: Sequence[Section], machine: Sequence[str]) -> str:
    """The document; `machine` says in lines where and with what it was measured."""
    lines = [
        "# What the service costs",
        "",
        "Written by `make bench`. Every ratio is of one run, on one machine with one PostgreSQL "
        "server: database, service and clients together. p50 is the median.",
        "",
        *(f"- {line}" for line in machine),
    ]
    if any(section.curves for section in sections):
        lines += ["", "![p50 of an ask against finished trials](ask_latency.svg)"]
    for section in sections:
        lines += ["", f"## {section.title}", "", section.note, ""]
        lines += ["| work | ratio | target | met | measured |", "|---|---|---|---|---|"]
        lines += [f"| {' | '.join(row.cells())} |" for row in section.rows]
    return "\n".join(lines) + "\n"


def text(sections: Sequence[Section]) -> str:
    rows = [row.cells() for section in sections for row in section.rows]
    widths = [max(len(row[i]) for row in rows) for i in range(4)] if rows else []
    lines: list[str] = []
    for section in sections:
        lines += ["", section.title]
        for row in section.rows:
            *cells, figures = row.cells()
            columns = [cell.ljust(width) for cell, width in zip(cells, widths, strict=True)]
            lines.append("  ".join(["", *columns, figures]).rstrip())
    return "\n".join(lines)


def machine(postgresql: Mapping[str, str]) -> list[str]:
    """This machine, what the measurements run on, and these settings of PostgreSQL's."""
    memory = psutil.virtual_memory().total / 2**30
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    settings = ", ".join(f"{name} {value}" for name, value in postgresql.items())
    return [
        f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores ({_processor()}), "
        f"{memory:.0f} GiB, {platform.system()}",
        f"service {tuner_project.__version__}, Python {platform.python_version()}, {packages}",
        f"PostgreSQL: {settings}",
    ]


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor()


def plot(curves: Mapping[str, Mapping[int, float]], file: Path) -> None:
    """Draw p50 of an ask in seconds, by who was asked and how many trials were finished."""
    import matplotlib as mpl

    mpl.use("Agg")
    mpl.rcParams["svg.hashsalt"] = "the same file for the same figures"
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(9, 5))
    label_at = 0.0
    for name, by_size in sorted(curves.items(), key=lambda curve: curve[1][max(curve[1])]):
        sizes, seconds = zip(*sorted(by_size.items()), strict=True)
        (line,) = axes.plot(sizes, [each * 1e3 for each in seconds], marker="o")
        label_at = max(seconds[-1] * 1e3, label_at * _APART)
        axes.annotate(
            name,
            (sizes[-1], label_at),
            xytext=(8, 0),
            textcoords="offset points",
            color=line.get_color(),
            va="center",
        )
    axes.set(xscale="log", yscale="log", xlabel="finished trials", ylabel="ask, p50 in ms")
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.yaxis.set_major_formatter("{x:g}")
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    figure.subplots_adjust(left=0.08, right=0.74, top=0.97, bottom=0.11)
    figure.savefig(file, metadata={"Date": None})
    pyplot.close(figure)

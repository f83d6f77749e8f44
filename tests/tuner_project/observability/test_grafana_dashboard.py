"""The Grafana dashboard queries only metrics that exist."""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

from tests.support import ROOT
from tests.support.api_client import metric_names


def queries(found: Any) -> Iterator[str]:
    """Every text in which Grafana asks Prometheus."""
    if isinstance(found, dict):
        for key, value in found.items():
            if key in ("expr", "query", "definition") and isinstance(value, str):
                yield value
            yield from queries(value)
    elif isinstance(found, list):
        for each in found:
            yield from queries(each)


def test_dashboard_queries_existing_metrics(db: None, scraped: Callable[[], str]) -> None:
    dashboard = json.loads((ROOT / "deploy/grafana/tuner.json").read_text())
    asked = {name for query in queries(dashboard) for name in re.findall(r"\btuner_\w+", query)}
    exposed = metric_names(scraped())
    assert asked - exposed == set()
    histograms = {name.removesuffix("_bucket") for name in exposed if name.endswith("_bucket")}
    shown = {re.sub(r"_(bucket|sum|count)$", "", name) for name in asked}
    of_histograms = {
        f"{name}{suffix}" for name in histograms for suffix in ("_bucket", "_sum", "_count")
    }
    assert shown == (exposed - of_histograms) | histograms


def test_documentation_lists_all_metrics(db: None, scraped: Callable[[], str]) -> None:
    text = (ROOT / "docs" / "observability.md").read_text()
    listed = set(re.findall(r"^\| `(tuner_\w+)", text, re.MULTILINE))
    exposed = {re.sub(r"_(bucket|sum|count)$", "", name) for name in metric_names(scraped())}
    assert listed == exposed


def test_panels_do_not_overlap() -> None:
    dashboard = json.loads((ROOT / "deploy/grafana/tuner.json").read_text())
    taken: set[tuple[int, int]] = set()
    for panel in dashboard["panels"]:
        at = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(at["x"], at["x"] + at["w"])
            for y in range(at["y"], at["y"] + at["h"])
        }
        assert not cells & taken, panel["title"]
        assert at["x"] + at["w"] <= 24
        taken |= cells
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])

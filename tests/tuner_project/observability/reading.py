"""Reading metrics in Prometheus' text format."""

from collections.abc import Iterator

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample


def samples(text: str) -> Iterator[Sample]:
    for family in text_string_to_metric_families(text):
        yield from family.samples


def total(text: str, name: str, **labels: str) -> float:
    """The sum of a metric's samples that have these labels."""
    found = [s for s in samples(text) if s.name == name and labels.items() <= s.labels.items()]
    return sum(sample.value for sample in found)


def label_values(text: str, name: str, label: str) -> set[str]:
    return {sample.labels[label] for sample in samples(text) if sample.name == name}


def exposed_names(text: str) -> set[str]:
    """The names that queries may use, also of metrics that have no samples yet."""
    names = set()
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split()
            suffixes = ["_bucket", "_sum", "_count"] if kind == "histogram" else [""]
            names |= {name + suffix for suffix in suffixes}
    return names

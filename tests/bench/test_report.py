"""The report that `make bench` writes."""

import pytest

from bench.report import Row, Section, markdown, spread, text
from bench.space import DISTRIBUTIONS, SPACE, objectives
from optuna_bridge.space.search_space import parameter_of


@pytest.mark.parametrize(
    ("ratio", "at_most", "is_met"),
    [
        (0.9, True, True),
        (1.0, True, True),
        (1.1, True, False),
        (1.1, False, True),
        (0.9, False, False),
    ],
)
def test_row_at_its_target_is_met(ratio: float, at_most: bool, is_met: bool) -> None:
    assert Row("ask", ratio, 1.0, at_most, "").is_met == is_met


def test_tables_show_which_targets_are_met() -> None:
    rows = [
        Row("ask", 0.251, 0.5, at_most=True, figures="1 ms"),
        Row("tell", 2.0, 3, at_most=False, figures="2 ms"),
    ]
    sections = [Section("Latency", "p50 of 3.", rows)]
    document = markdown(sections, ["2 cores", "PostgreSQL: fsync on"])
    assert "- 2 cores\n- PostgreSQL: fsync on\n" in document
    assert (
        "## Latency\n\np50 of 3.\n\n"
        "| work | ratio | target | met | measured |\n|---|---|---|---|---|\n"
        "| ask | 0.251 | ≤ 0.5 | yes | 1 ms |\n"
        "| tell | 2.00 | ≥ 3 | **no** | 2 ms |\n"
    ) in document
    assert text(sections) == (
        "\nLatency\n  ask   0.251  ≤ 0.5  yes     1 ms\n  tell  2.00   ≥ 3    **no**  2 ms"
    )


def test_spread_is_the_median_with_the_extremes() -> None:
    assert spread([3.0, 1.0, 2000.0], "/s") == "3 (1 to 2,000) /s"


def test_space_has_the_ten_named_parameters() -> None:
    back = [parameter_of(name, each) for name, each in DISTRIBUTIONS.items()]
    assert [(each["type"], each.get("log", False)) for each in back] == [
        *[("float", False)] * 4,
        *[("float", True)] * 2,
        *[("int", False)] * 2,
        *[("categorical", False)] * 2,
    ]
    assert [each["name"] for each in SPACE] == [each["name"] for each in back]


def test_objectives_differ() -> None:
    assert objectives({"x": 2, "c": "a"}, 2) == [4 + 97**2, 1 + 96**2]

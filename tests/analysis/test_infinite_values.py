"""Infinite values, as imports bring them, are ordered like other numbers in all analyses."""

import math
from collections.abc import Sequence
from typing import Any

import pytest
from rest_framework.test import APIClient

from analysis.plots.catalogue import KINDS
from optuna_bridge.enums import TrialState
from studies.models import Study
from tests.support import JSON
from tests.support.api_client import STUDIES, assert_refused, strict_json, unpacked_figure
from tests.support.sample_studies import TWO_DIRECTIONS, create_analysis_study
from tests.support.study_builders import add_trial_rows

pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")

MIXED: list[list[float]] = [[math.inf], [1.0], [-math.inf], [2.0], [math.inf], [-math.inf]]
FRONTS: list[list[float]] = [[1, 2], [math.inf, 3], [2, -math.inf], [0.5, 1]]


def create_study_of(
    api: APIClient, values: Sequence[Sequence[float]], name: str = "search", **definition: Any
) -> None:
    """Create a study of completed trials with these values."""
    create_analysis_study(api, name=name, **definition)
    study = Study.objects.get(name=name)
    rows: list[JSON] = [
        {
            "state": TrialState.COMPLETE,
            "values": list(each),
            "internal_params": [(number % 7) / 7, 0.01 * (number + 1), number % 9 + 1, number % 3],
        }
        for number, each in enumerate(values)
    ]
    add_trial_rows(study, rows)


def answer(api: APIClient, path: str, name: str = "search") -> Any:
    return strict_json(api.get(f"{STUDIES}/{name}/{path}"))


@pytest.mark.parametrize(
    ("direction", "expected"),
    [
        ("minimize", [None, 1, None, None, None, None]),
        ("maximize", [None, None, None, None, None, None]),
    ],
)
def test_best_so_far_may_be_infinite(
    api: APIClient, direction: str, expected: list[float | None]
) -> None:
    create_study_of(api, MIXED, direction=direction)
    found = answer(api, "history")["trials"]
    assert [each["best_value"] for each in found] == expected
    assert [each["value"] for each in found] == [None, 1, None, 2, None, None]


def test_only_better_values_are_incumbents(api: APIClient) -> None:
    """Of equal infinite values, which have no difference, only the first one is preferred."""
    values: list[list[float]] = [[-math.inf], *([math.inf], [-math.inf], [1.0]) * 20]
    create_study_of(api, values)
    found = answer(api, "history?limit=3")["trials"]
    assert [each["trial_id"] for each in found] == [0, 1, 60]


def drawn(api: APIClient, kind: str, name: str = "search") -> JSON:
    figure: JSON = unpacked_figure(answer(api, f"plots/{kind}", name))
    return figure


@pytest.mark.parametrize("values", [MIXED, MIXED[:1] * 3])
def test_plots_of_infinite_values_are_drawn(api: APIClient, values: list[list[float]]) -> None:
    create_study_of(api, values)
    for kind in KINDS.keys() - {"pareto_front", "hypervolume"}:
        subtitle = drawn(api, kind)["layout"]["title"]["subtitle"]["text"]
        assert not subtitle.startswith("it cannot be drawn"), kind


@pytest.mark.parametrize("kind", ["parallel_coordinate", "slice", "contour", "edf"])
def test_plots_of_finite_values_say_what_is_left_out(api: APIClient, kind: str) -> None:
    create_study_of(api, MIXED)
    figure = drawn(api, kind)
    assert figure["layout"]["title"]["subtitle"]["text"] == "4 infinite values are left out"
    assert figure["data"]


def test_importance_is_of_finite_values(api: APIClient) -> None:
    create_study_of(api, [[math.inf], *([float(value)] for value in range(20))])
    found = answer(api, "importance")
    assert (found["n_trials"], found["n_complete"], found["is_subsampled"]) == (20, 21, True)


def test_importance_of_infinite_values_only_is_refused(api: APIClient) -> None:
    create_study_of(api, MIXED[:2] + MIXED[:1] * 5)
    problem = assert_refused(api.get(f"{STUDIES}/search/importance"), 400, "importance_unavailable")
    assert problem["detail"].startswith(
        "fanova cannot be computed: 1 trials have a finite value; at least 2 are needed"
    )


def test_plots_of_several_infinite_objectives_are_drawn(api: APIClient) -> None:
    create_study_of(api, FRONTS, direction=TWO_DIRECTIONS)
    for kind in KINDS:
        subtitle = drawn(api, kind)["layout"]["title"]["subtitle"]["text"]
        assert not subtitle.startswith("it cannot be drawn"), kind


def test_plotted_ranks_are_those_of_numbers(api: APIClient) -> None:
    create_study_of(api, MIXED)
    create_study_of(api, [[9], [1], [0], [2], [9], [0]], name="finite")
    panels = [drawn(api, "rank", name)["data"] for name in ("search", "finite")]
    colors = [[each["marker"].get("color") for each in panel] for panel in panels]
    assert colors[0] == colors[1]
    labels = [panel[-1]["marker"]["colorbar"]["ticktext"] for panel in panels]
    assert labels[0] == ["min. (-inf)", "25% (-inf)", "50% (  1)", "75% (inf)", "max. (inf)"]
    assert labels[1] == ["min. (  0)", "25% (0.25)", "50% (1.5)", "75% (7.25)", "max. (  9)"]


def test_hypervolume_is_of_the_worst_finite_values(api: APIClient) -> None:
    create_study_of(api, FRONTS, direction=TWO_DIRECTIONS)
    found = answer(api, "hypervolume")
    assert found["reference_point"] == [2, 1]
    assert found["hypervolume"] == 1

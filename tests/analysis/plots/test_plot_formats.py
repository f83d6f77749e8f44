"""Options of plots, and their formats: JSON, HTML and images."""

import re

import pytest
from choreographer.browsers.chromium import Chromium
from django.test import Client
from rest_framework.test import APIClient

from analysis.plots import catalogue
from tests.support.api_client import (
    STUDY_URL,
    add_trials,
    assert_refused,
    invalid_pointers,
    strict_json,
)
from tests.support.sample_studies import (
    ANALYSIS_SPACE,
    TWO_DIRECTIONS,
    create_analysis_study,
    play_analysis_study,
)

pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")

HISTORY = f"{STUDY_URL}/plots/history"
needs_browser = pytest.mark.skipif(
    Chromium.find_browser(skip_local=False) is None, reason="there is no Chrome and no Chromium"
)


# The query -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("target_idx=1.0", "/target_idx"),
        ("target_idx=", "/target_idx"),
        ("target=best", "/target"),
        ("method=shapley", "/method"),
        ("format=pdf", "/format"),
        ("format=", "/format"),
        ("params=x", "/params"),
        ("params=[]", "/params"),
        ("params=[1]", "/params"),
        ('params=["x","x"]', "/params"),
        ('params={"x":1}', "/params"),
        (f"params={'[' * 20_000}", "/params"),
        ("reference_point=", "/reference_point"),
        ("reference_point=1,nan", "/reference_point"),
        ("seed=1", "/seed"),
        ("format=json&format=html", "/format"),
    ],
)
def test_invalid_query_has_a_pointer(api: APIClient, query: str, pointer: str) -> None:
    create_analysis_study(api)
    assert invalid_pointers(api.get(f"{HISTORY}?{query}")) == [pointer]


@pytest.mark.parametrize("kind", [kind for kind in catalogue.KINDS if kind != "timeline"])
@pytest.mark.parametrize("query", ["target_idx=2", "target_idx=-1", 'params=["y"]'])
def test_unknown_parameters_and_objectives_are_refused(
    api: APIClient, kind: str, query: str
) -> None:
    create_analysis_study(api, direction=TWO_DIRECTIONS)
    assert_refused(api.get(f"{STUDY_URL}/plots/{kind}?{query}"), 400, "invalid")


def test_plots_of_several_objectives_are_refused_of_one(api: APIClient) -> None:
    create_analysis_study(api)
    for query in ("pareto_front", "hypervolume", "importance?target=front"):
        assert_refused(api.get(f"{STUDY_URL}/plots/{query}"), 400, "single_objective")


def test_front_of_four_objectives_is_refused(api: APIClient) -> None:
    create_analysis_study(api, direction=["minimize"] * 4)
    problem = assert_refused(api.get(f"{STUDY_URL}/plots/pareto_front"), 400, "plot_unavailable")
    assert problem["detail"] == "a Pareto front is drawn for 2 or 3 objectives, not 4"


@pytest.mark.parametrize("point", ["1", "1,2,3"])
def test_reference_point_has_a_number_for_each_objective(api: APIClient, point: str) -> None:
    create_analysis_study(api, direction=TWO_DIRECTIONS)
    response = api.get(f"{STUDY_URL}/plots/hypervolume?reference_point={point}")
    assert invalid_pointers(response) == ["/reference_point"]


# The formats -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "accept", "media_type"),
    [
        ("", None, "application/json"),
        ("", "*/*", "application/json"),
        ("", "application/pdf", "application/json"),
        ("", "text/html", "text/html"),
        ("", "text/html,application/xhtml+xml,*/*;q=0.8", "text/html"),
        ("", "text/html;q=0.5, application/json", "application/json"),
        ("?format=json", "text/html", "application/json"),
        ("?format=html", "application/json", "text/html"),
        ("?format=html", "image/png", "text/html"),
    ],
)
def test_format_is_the_requested_one(
    api: APIClient, query: str, accept: str | None, media_type: str
) -> None:
    play_analysis_study(api, n=5)
    headers = {"Accept": accept} if accept else {}
    response = api.get(HISTORY + query, headers=headers)
    assert (response.status_code, response["Content-Type"]) == (200, media_type)
    if media_type == "application/json":
        assert strict_json(response).keys() == {"data", "layout"}
    else:
        assert response.content.startswith(b"<!doctype html>")


def test_page_loads_nothing_from_other_hosts(api: APIClient) -> None:
    play_analysis_study(api)
    for kind in catalogue.KINDS:
        response = api.get(f"{STUDY_URL}/plots/{kind}?format=html")
        if kind in ("pareto_front", "hypervolume"):
            assert response.status_code == 400
            continue
        page = response.content.decode()
        assert re.findall(r"<script[^>]* src=\"([^\"]+)\"", page) == [
            "/static/plotly/plotly.min.js"
        ]
        assert re.findall(r"(?:https?:|wss?:|[\"'])//[^\s\"']*", page) == []
    script = Client().get("/static/plotly/plotly.min.js")
    assert script.status_code == 200
    assert b"plotly.js v" in b"".join(script)[:200]
    script.close()


def test_page_escapes_names(api: APIClient) -> None:
    name = '</script><script>alert("1")</script><!--'
    choice = "<img src=x onerror=alert(1)>"
    space = [
        {**ANALYSIS_SPACE[0], "name": name},
        {"type": "categorical", "name": "]]>", "choices": [choice, "b"]},
    ]
    create_analysis_study(api, search_space=space)
    new = {"params": {name: 0.5, "]]>": choice}, "state": "COMPLETE"}
    steps = {"intermediate_values": {"1": 1}}
    add_trials(api, [{**new, "values": value, **steps} for value in (1, 2, 3)])
    for kind in catalogue.KINDS:
        if kind in ("pareto_front", "hypervolume"):
            continue
        page = api.get(f"{STUDY_URL}/plots/{kind}?format=html").content.decode()
        assert page.count("<script") == page.count("</script>") == 3
        assert "<img" not in page
        assert "<!--" not in page


# Images ----------------------------------------------------------------------------------


@pytest.mark.accept  # it needs Chromium, and seconds
@needs_browser
@pytest.mark.parametrize(
    ("query", "accept", "media_type", "magic"),
    [
        ("?format=png", "text/html", "image/png", b"\x89PNG\r\n\x1a\n"),
        ("", "image/svg+xml", "image/svg+xml", b"<svg"),
    ],
)
def test_images_are_drawn_by_a_browser(
    api: APIClient, query: str, accept: str, media_type: str, magic: bytes
) -> None:
    play_analysis_study(api, n=5)
    response = api.get(HISTORY + query, headers={"Accept": accept})
    assert (response.status_code, response["Content-Type"]) == (200, media_type)
    assert response.content.startswith(magic)


@pytest.mark.parametrize(
    ("query", "accept", "path"),
    [
        ("?format=png", "*/*", "/nowhere/chromium"),
        ("?format=svg", "*/*", "/nowhere/chromium"),
        ("", "image/png", "/bin/false"),  # it does not start
    ],
)
def test_images_without_a_browser_are_not_acceptable(
    api: APIClient, monkeypatch: pytest.MonkeyPatch, query: str, accept: str, path: str
) -> None:
    monkeypatch.setenv("BROWSER_PATH", path)
    play_analysis_study(api, n=5)
    response = api.get(HISTORY + query, headers={"Accept": accept})
    problem = assert_refused(response, 406, "image_unavailable")
    assert "drawn by Chrome or Chromium on the service's machine" in problem["detail"]
    assert api.get(f"{HISTORY}?format=html").status_code == 200

"""A study's page in the admin: plots, changes of state and deletion."""

import optuna
import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import PHONE, Open, keep, open_study
from tests.support.http_client import HttpClient
from tests.support.optuna_oracle import rdb_storage_at
from tests.support.service import Service

pytestmark = pytest.mark.browser

SECONDS = 1000  # Playwright counts in milliseconds
SPACE = [{"type": "float", "name": "x", "low": 0.0, "high": 1.0}]
OF_ONE = {
    "history",
    "importance",
    "parallel_coordinate",
    "slice",
    "intermediate_values",
    "contour",
    "rank",
    "edf",
    "timeline",
}
# What Plotly draws of data: points, lines, bars, and the areas of a contour.
MARKS = ".point, .js-line, .points path, .contourfill path, .contourbg path"


def drawn(page: Page, kind: str) -> int:
    """How many marks the plot of this kind consists of, once it is drawn."""
    card = page.locator(f"#tuner-plot-{kind}")
    card.locator("..").scroll_into_view_if_needed()
    expect(card.locator(MARKS).first).to_be_attached(timeout=30 * SECONDS)
    return card.locator(MARKS).count()


def points(page: Page, kind: str) -> int:
    """How many values the first trace of a plot has."""
    count = "area => area.data[0].x.length ?? area.data[0].x._inputArray.length"
    return int(page.locator(f"#tuner-plot-{kind}").evaluate(count))


@pytest.mark.parametrize(
    ("study", "kinds"),
    [
        ("demo-training", OF_ONE),
        ("demo-zdt1", OF_ONE - {"intermediate_values"} | {"pareto_front", "hypervolume"}),
    ],
)
def test_plots_are_drawn_with_data(
    open_page: Open, client: HttpClient, study: str, kinds: set[str]
) -> None:
    page = open_study(open_page, client, study)
    for kind in sorted(kinds):
        assert drawn(page, kind) >= (1 if kind == "edf" else 3), kind  # a line, or many marks
    shown = page.locator(".tuner-plot:not([hidden])")
    assert {area.get_attribute("id") for area in shown.all()} == {f"tuner-plot-{k}" for k in kinds}
    page.evaluate("scrollTo(0, 0)")
    keep(page, study)
    keep(page, f"{study}-whole", full_page=True)


def test_page_reads_the_progress_when_the_study_has_changed(
    open_page: Open, client: HttpClient
) -> None:
    client.create_study(name="quiet", direction="minimize", search_space=SPACE, sampler="random")
    page = open_study(open_page, client, "quiet")
    expect(page.locator("#tuner-live.tuner-is-live")).to_be_visible()
    asked: list[str] = []
    page.on("response", lambda response: asked.append(f"{response.status} {response.url}"))
    page.wait_for_timeout(7 * SECONDS)
    assert len([each for each in asked if each.startswith("304") and "/events?" in each]) >= 2
    assert [each for each in asked if each.endswith("/progress")] == []
    number = client.suggest("quiet")["trial_id"]
    expect(page.locator("#tuner-trials")).to_have_text("1", timeout=5 * SECONDS)
    client.complete("quiet", number, values=0.25)
    expect(page.locator("#tuner-best")).to_contain_text("0.25", timeout=5 * SECONDS)
    assert 2 <= len([each for each in asked if each.endswith("/progress")]) <= 3


def test_plot_without_data_says_why(open_page: Open, client: HttpClient) -> None:
    page = open_study(open_page, client, "demo-zdt1")
    card = page.locator("#tuner-plot-intermediate_values").locator("..")
    card.scroll_into_view_if_needed()
    expect(card).to_contain_text("no trial has reported yet")


def test_page_fits_a_phone_in_dark_mode(open_page: Open, client: HttpClient) -> None:
    page = open_study(open_page, client, "demo-training", size=PHONE, scheme="dark")
    drawn(page, "history")
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE[0]
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert max(map(int, background.removeprefix("rgb(").removesuffix(")").split(","))) < 60
    page.evaluate("scrollTo(0, 0)")
    keep(page, "phone-dark")
    keep(page, "phone-dark-whole", full_page=True)


def test_plots_follow_the_chosen_objective_and_method(open_page: Open, client: HttpClient) -> None:
    page = open_study(open_page, client, "demo-zdt1")
    drawn(page, "importance")
    page.get_by_label("Importance by").select_option("mean_decrease_impurity")
    card = page.locator("#tuner-plot-importance").locator("..")
    expect(card).to_contain_text("mean_decrease_impurity", timeout=30 * SECONDS)
    page.get_by_role("combobox", name="Objective").select_option("1")
    axis = page.locator("#tuner-plot-history .ytitle")
    expect(axis).to_have_text("Objective 1 (minimize)", timeout=30 * SECONDS)


def kinds_of(page: Page) -> list[str]:
    """The kinds of plots, in their order."""
    areas = page.locator(".tuner-plot").all()
    return [(area.get_attribute("id") or "").removeprefix("tuner-plot-") for area in areas]


def test_plots_are_in_the_order_of_what_the_study_is(open_page: Open, client: HttpClient) -> None:
    front = kinds_of(open_study(open_page, client, "demo-latency"))
    assert front[:3] == ["pareto_front", "hypervolume", "history"]
    curves = kinds_of(open_study(open_page, client, "demo-training"))
    assert curves[:2] == ["history", "intermediate_values"]
    plain = kinds_of(open_study(open_page, client, "demo-branin-tpe"))
    assert (plain[0], plain[-1]) == ("history", "intermediate_values")


def test_axes_name_the_metrics_with_their_directions(open_page: Open, client: HttpClient) -> None:
    page = open_study(open_page, client, "demo-latency")
    drawn(page, "pareto_front")
    plot = page.locator("#tuner-plot-pareto_front")
    expect(plot.locator(".xtitle")).to_have_text("accuracy (maximize)")
    expect(plot.locator(".ytitle")).to_have_text("latency in ms (minimize)")
    keep(page, "demo-latency")


def test_pruned_and_failed_trials_are_hidden_and_the_url_says_so(
    open_page: Open, client: HttpClient
) -> None:
    page = open_study(open_page, client, "demo-training")
    drawn(page, "intermediate_values")
    count = "document.getElementById('tuner-plot-intermediate_values').data.length"
    n_complete = client.get("/studies/demo-training")["trial_counts"]["COMPLETE"]
    n_all = page.evaluate(count)
    page.get_by_label("Hide pruned and failed trials").check()
    page.wait_for_function(f"{count} < {n_all}")
    assert page.evaluate(count) == n_complete + 2  # two are running
    card = page.locator("#tuner-plot-intermediate_values").locator("..")
    expect(card).to_contain_text("pruned and failed trials are hidden")
    assert page.url.endswith("#hide=1")
    page.reload()
    expect(page.get_by_label("Hide pruned and failed trials")).to_be_checked()


def test_values_are_logarithmic_where_they_are_positive(
    open_page: Open, client: HttpClient
) -> None:
    page = open_study(open_page, client, "demo-training")
    drawn(page, "history")
    page.get_by_label("Logarithmic values").check()
    axis = "document.getElementById('tuner-plot-history').layout.yaxis.type"
    page.wait_for_function(f"{axis} === 'log'")
    page = open_study(open_page, client, "demo-hartmann6")  # its values are negative
    drawn(page, "history")
    page.get_by_label("Logarithmic values").check()
    card = page.locator("#tuner-plot-history").locator("..")
    expect(card).to_contain_text("not all values are positive")
    assert page.evaluate(axis) != "log"


@pytest.mark.parametrize(
    ("study", "kind"),
    [
        ("demo-training", "history"),
        ("demo-training", "intermediate_values"),
        ("demo-training", "timeline"),
        ("demo-training", "slice"),
        ("demo-latency", "pareto_front"),
        ("demo-latency", "hypervolume"),
    ],
)
def test_click_on_a_point_opens_its_trial(
    open_page: Open, client: HttpClient, study: str, kind: str
) -> None:
    page = open_study(open_page, client, study)
    drawn(page, kind)
    page.locator(f"#tuner-plot-{kind} .points path").first.click(force=True)
    page.wait_for_url("**/admin/trials/trial/*/change/")


def test_plots_have_a_text_alternative(open_page: Open, client: HttpClient) -> None:
    page = open_study(open_page, client, "demo-training")
    drawn(page, "history")
    expect(page.get_by_role("figure", name="Optimization History Plot: ")).to_be_visible()


def test_definition_budgets_and_states_are_shown(open_page: Open, client: HttpClient) -> None:
    page = open_study(open_page, client, "demo-training")
    expect(page.get_by_role("progressbar", name="Trials done")).to_be_visible()
    expect(page.get_by_role("progressbar", name="Failures")).to_be_visible()
    definition = page.get_by_role("region", name="Definition")
    expect(definition).to_contain_text("accuracy: maximize")
    expect(definition).to_contain_text("maintenance of the cluster by command")
    assert page.locator(".tuner-states rect").count() == 3


def test_page_is_printed_with_plots_and_without_controls(
    open_page: Open, client: HttpClient
) -> None:
    page = open_study(open_page, client, "demo-training")
    drawn(page, "history")
    page.emulate_media(media="print")
    expect(page.locator("#tuner-plot-history .main-svg").first).to_be_visible()
    for hidden in ("#header", ".object-tools", "#tuner-plot-options", ".tuner-buttons"):
        expect(page.locator(hidden).first).to_be_hidden()


def test_page_follows_a_running_study(open_page: Open, client: HttpClient) -> None:
    client.create_study(name="live", direction="minimize", search_space=SPACE)
    tell(client, "live", [0.5, 0.25])
    page = open_study(open_page, client, "live")
    expect(page.locator("#tuner-trials")).to_have_text("2")
    expect(page.locator("#tuner-best")).to_contain_text("0.25")
    drawn(page, "history")
    assert points(page, "history") == 2
    client.call("POST", "/studies/live/trials/suggest", {"worker_id": "gpu-7"}).expect(200)
    expect(page.locator("#tuner-running")).to_contain_text("gpu-7", timeout=10 * SECONDS)
    client.complete("live", 2, values=0.125)
    tell(client, "live", [0.75])
    expect(page.locator("#tuner-trials")).to_have_text("4", timeout=10 * SECONDS)
    expect(page.locator("#tuner-best")).to_contain_text("0.125")
    expect(page.locator("#tuner-running")).to_contain_text("No running trials.")
    page.wait_for_function(
        "document.getElementById('tuner-plot-history').data[0].x.length === 4",
        timeout=60 * SECONDS,
    )


def test_study_is_paused_and_resumed(open_page: Open, client: HttpClient) -> None:
    client.create_study(name="paused", search_space=SPACE)
    page = open_study(open_page, client, "paused")
    page.get_by_role("button", name="Pause").click()
    expect(page.locator("#tuner-state")).to_contain_text("paused")
    refused = client.call("POST", "/studies/paused/trials/suggest", {})
    assert (refused.status, refused.body["code"]) == (409, "study_paused")
    page.get_by_role("button", name="Resume").click()
    expect(page.locator("#tuner-state")).to_contain_text("active")
    client.suggest("paused")


def test_cancel_asks_for_confirmation(open_page: Open, client: HttpClient) -> None:
    client.create_study(name="cancelled", search_space=SPACE)
    page = open_study(open_page, client, "cancelled")
    page.once("dialog", lambda dialog: dialog.dismiss())
    page.get_by_role("button", name="Cancel").click()
    assert client.get("/studies/cancelled")["state"] == "ACTIVE"
    page.once("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator("#tuner-state")).to_contain_text("cancelled")
    assert client.get("/studies/cancelled")["state"] == "CANCELLED"


def test_deleted_study_is_gone_from_both_schemas(
    open_page: Open, client: HttpClient, service: Service
) -> None:
    client.create_study(name="doomed", search_space=SPACE)
    tell(client, "doomed", [0.5])
    assert "doomed" in names_in_optuna(service)
    page = open_study(open_page, client, "doomed")
    page.get_by_role("link", name="Delete").click()
    expect(page.locator("#content")).to_contain_text("Study doomed with 1 trials")
    page.get_by_role("button", name="Yes, I’m sure").click()  # noqa: RUF001
    expect(page.locator(".messagelist")).to_contain_text("deleted successfully")
    assert client.call("GET", "/studies/doomed").status == 404
    assert "doomed" not in names_in_optuna(service)
    service.check_optuna()


def test_advice_is_shown_on_the_page(open_page: Open, client: HttpClient) -> None:
    client.create_study(name="advised", search_space=SPACE, sampler="tpe", max_trials=20)
    page = open_study(open_page, client, "advised")
    expect(page.locator("#tuner-advice")).to_contain_text("max_trials is 20")


def names_in_optuna(service: Service) -> list[str]:
    with rdb_storage_at(service.optuna_url) as storage:
        return optuna.get_all_study_names(storage)


def tell(client: HttpClient, study: str, values: list[float]) -> None:
    """Ask for a trial for each of the values, and tell it."""
    for value in values:
        number = client.suggest(study)["trial_id"]
        client.complete(study, number, values=value)

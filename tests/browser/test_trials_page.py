"""The trial list in the admin, and the study actions for files and clones."""

import csv
import json
from io import StringIO
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import PHONE, Open, keep, open_study
from tests.support.http_client import HttpClient

pytestmark = pytest.mark.browser


def test_trials_are_sorted_by_value_and_filtered(open_page: Open, client: HttpClient) -> None:
    page = open_study(open_page, client, "demo-training")
    page.locator(".object-tools").get_by_role("link", name="Trials").click()
    heads = page.locator("#result_list thead")
    for parameter in ("learning_rate", "batch_size", "optimizer"):
        expect(heads).to_contain_text(parameter)
    heads.get_by_role("link", name="accuracy").click()
    completed = client.get("/studies/demo-training/trials?order_by=value&limit=1")
    first = page.locator("#result_list tbody tr").first
    expect(first.locator(".field-number")).to_have_text(str(completed[0]["trial_id"]))
    page.locator("#changelist-filter").get_by_role("link", name="running").click()
    expect(page.locator("#result_list tbody tr")).to_have_count(2)
    keep(page, "trials")


def test_trial_list_fits_a_phone(open_page: Open, client: HttpClient) -> None:
    study_id = client.get("/studies/demo-training")["study_id"]
    page = open_page(f"/admin/trials/trial/?study__id__exact={study_id}", size=PHONE, scheme="dark")
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE[0]
    keep(page, "trials-phone-dark")


def test_trials_are_downloaded_as_csv(open_page: Open, client: HttpClient, tmp_path: Path) -> None:
    study_id = client.get("/studies/demo-training")["study_id"]
    page = open_page(f"/admin/trials/trial/?study__id__exact={study_id}")
    with page.expect_download() as download:
        page.get_by_role("link", name="Export as CSV").click()
    download.value.save_as(tmp_path / "trials.csv")
    rows = list(csv.DictReader(StringIO((tmp_path / "trials.csv").read_text())))
    n_trials = client.get("/studies/demo-training")["n_trials"]
    assert [int(row["number"]) for row in rows] == list(range(n_trials))


def test_study_is_exported_and_cloned(open_page: Open, client: HttpClient, tmp_path: Path) -> None:
    page = open_study(open_page, client, "demo-branin-tpe")
    with page.expect_download() as download:
        page.get_by_role("link", name="Export").click()
    download.value.save_as(tmp_path / "study.jsonl")
    lines = (tmp_path / "study.jsonl").read_text().splitlines()
    assert json.loads(lines[-1]) == {
        "kind": "end",
        "study_name": "demo-branin-tpe",
        "n_trials": len(lines) - 2,
    }
    page.get_by_role("link", name="Clone").click()
    page.get_by_label("Name").fill("branin again")
    page.get_by_label("Sampler").select_option("random")
    page.locator("#clone-form").get_by_role("button", name="Clone").click()
    counts = client.get("/studies/demo-branin-tpe")["trial_counts"]
    text = f"{sum(counts.values())} trials were kept, 0 left out"  # its space is the same
    expect(page.locator(".messagelist")).to_contain_text(text)
    clone = client.get("/studies/branin%20again")
    assert (clone["sampler"], clone["trial_counts"]["COMPLETE"]) == (
        "random",
        counts["COMPLETE"],
    )

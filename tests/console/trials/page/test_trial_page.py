"""The page of a trial: what it says, to whom, and that texts of clients are shown as texts."""

import json
import re
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from access.models import AuditEntry
from tests.support.api_client import (
    TRIALS_URL,
    complete,
    create_study,
    start_trial,
    suggest,
    trial_action,
)
from tests.support.database import move_leases_into_past
from tests.support.study_builders import add_finished_trials, build_study
from trials.models import Trial

XSS = "<script>alert(1)</script>"
ESCAPED = "&lt;script&gt;alert(1)&lt;/script&gt;"


def url_of(number: int = 0) -> str:
    return f"/admin/trials/trial/{Trial.objects.get(number=number).pk}/"


def page(client: Client, number: int = 0) -> str:
    response = client.get(f"{url_of(number)}change/")
    assert response.status_code == 200
    return re.sub(r"\s+", " ", response.content.decode())


def put_log(api: APIClient, text: str) -> None:
    response = api.generic("PUT", f"{TRIALS_URL}/0/log", text, "text/plain")
    assert response.status_code == 200


# What it says -----------------------------------------------------------------------------


def test_failed_trial_says_why_with_the_end_of_its_log(
    admin_client: Client, api: APIClient
) -> None:
    create_study(api, max_retries=1)
    start_trial(api)
    put_log(api, "epoch 1\n\x1b[31mCUDA out of memory\x1b[0m\n 10%\r100%\r\n")
    trial_action(api, 0, "fail", reason="exit code 1\n\nTraceback\n  line 3", retry=True)
    text = page(admin_client)
    assert "<h2>Why it failed</h2>" in text
    assert '<p class="tuner-reason">exit code 1</p>' in text
    assert "Traceback line 3</pre>" in text
    assert "epoch 1 CUDA out of memory 100%</pre>" in text
    assert "It was queued again, as trial 1." in text


def test_expired_lease_is_explained(admin_client: Client, api: APIClient) -> None:
    create_study(api, lease_seconds=60)
    start_trial(api)
    move_leases_into_past()
    assert "Its lease has expired: its worker is probably gone." in page(admin_client)
    suggest(api)
    text = page(admin_client)
    assert "Its lease expired: its worker sent neither a report nor a heartbeat" in text
    assert "It was not tried again." in text


def test_running_trial_says_how_long_and_what_the_pruner_says(
    admin_client: Client, api: APIClient
) -> None:
    create_study(api, pruner="median", lease_seconds=600)
    suggest(api, worker_id="gpu-7")
    trial_action(api, 0, "report", step=0, value=0.5)
    text = page(admin_client)
    for part in (
        "It has been running for",
        "Its lease expires in 0:",
        "The pruner median would let it go on.",
        "gpu-7",
    ):
        assert part in text


def test_trial_is_compared_with_the_best(admin_client: Client, api: APIClient) -> None:
    create_study(api, sampler="random", direction="maximize")
    for number, value in enumerate((0.25, 0.75, 0.5, 0.125)):
        suggest(api)
        complete(api, "search", number, value)
    best = Trial.objects.get(number=1)
    text = page(admin_client, 2)
    assert f'Best: <a href="/admin/trials/trial/{best.pk}/change/">0.75</a> (trial 1)' in text
    assert "It is better than 50 % of the completed trials." in text
    assert "It is the best trial." in page(admin_client, 1)
    assert "of the 4 completed trials" in text


def test_links_lead_to_the_trials_before_and_after(admin_client: Client, api: APIClient) -> None:
    create_study(api)
    for _ in range(3):
        suggest(api)
    text = page(admin_client, 1)
    assert f'<a href="{url_of(0)}change/">← Previous trial</a>' in text
    assert f'<a href="{url_of(2)}change/">Next trial →</a>' in text
    assert "Previous trial" not in page(admin_client, 0)


def test_audit_of_the_trial_is_shown(admin_client: Client, api: APIClient) -> None:
    create_study(api)
    suggest(api), suggest(api)
    complete(api, "search", 1, 0.5)
    assert "told" in page(admin_client, 1).split("<h2>Audit</h2>")[1]
    assert "No recent entries" in page(admin_client, 0)


def test_constraints_are_judged(admin_client: Client, api: APIClient) -> None:
    create_study(api, constraints=["a", "b"])
    start_trial(api)
    complete(api, "search", 0, 0.5, constraints={"a": -1, "b": 0.5})
    text = page(admin_client)
    assert "<td>a</td><td>-1</td><td>yes</td>" in text
    assert "<td>b</td><td>0.5</td><td>no: it is above 0</td>" in text
    assert "It violates a constraint" in text


# Texts of clients -------------------------------------------------------------------------


def test_texts_of_clients_are_escaped(admin_client: Client, api: APIClient) -> None:
    space = [{"type": "categorical", "name": XSS, "choices": [XSS, "b"]}]
    create_study(api, search_space=space, sampler="random")
    suggest(api, worker_id=XSS)
    put_log(api, f"{XSS}\n</pre>{XSS}")
    links = {XSS: "https://example.org/?a=1&b='2'"}
    assert api.patch(f"{TRIALS_URL}/0", {"note": XSS, "links": links}).status_code == 200
    trial_action(api, 0, "fail", reason=f"{XSS}\n{XSS}", user_attrs={XSS: XSS})
    text = page(admin_client)
    assert XSS not in text
    assert text.count(ESCAPED) > 10
    assert (
        '<a href="https://example.org/?a=1&amp;b=&#x27;2&#x27;" '
        f'rel="noopener noreferrer nofollow" target="_blank">{ESCAPED}</a>' in text
    )


# The note ---------------------------------------------------------------------------------


def post_note(client: Client, **form: str) -> str:
    response = client.post(f"{url_of()}note/", form, follow=True)
    assert response.status_code == 200
    return response.content.decode()


def annotation(api: APIClient) -> tuple[Any, Any]:
    trial = api.get(f"{TRIALS_URL}/0").json()
    return trial["note"], trial["links"]


def test_note_and_links_are_changed_on_the_page(admin_client: Client, api: APIClient) -> None:
    create_study(api)
    start_trial(api)
    post_note(admin_client, note="one\r\ntwo", link_name="run", link_url="https://a")
    assert annotation(api) == ("one\ntwo", {"run": "https://a"})
    entry = AuditEntry.objects.get(action="changed")
    assert (entry.actor, entry.numbers) == ("user admin", [0])
    post_note(admin_client, remove_link="run")
    assert annotation(api) == ("one\ntwo", {})
    post_note(admin_client, note="")
    assert annotation(api) == (None, {})


@pytest.mark.parametrize(
    "form",
    [
        {"note": "n", "link_name": "x", "link_url": "javascript:alert(1)"},
        {"note": "n", "link_name": "x"},
        {"note": "n", "link_url": "https://a"},
        {"note": "n" * 4001},
        {"note": "a\0b"},
        {"remove_link": "x" * 65},
    ],
)
def test_refused_form_stores_nothing(
    admin_client: Client, api: APIClient, form: dict[str, str]
) -> None:
    create_study(api)
    start_trial(api)
    post_note(admin_client, **form)
    assert annotation(api) == (None, {})


def test_refused_form_keeps_what_was_typed(admin_client: Client, api: APIClient) -> None:
    create_study(api)
    start_trial(api)
    page = post_note(admin_client, note="a long thought", link_name="x", link_url="ftp://a")
    assert "Nothing was stored: see the note." in page
    assert '<ul class="errorlist nonfield"' in page
    assert "a long thought</textarea>" in page
    assert 'value="ftp://a"' in page
    assert admin_client.get(url_of()).content.count(b"a long thought") == 0


# The buttons ------------------------------------------------------------------------------


def test_failed_trial_is_queued_again(admin_client: Client, api: APIClient) -> None:
    create_study(api)
    start_trial(api)
    trial_action(api, 0, "fail")
    assert "Queue it again" in page(admin_client)
    admin_client.post(f"{url_of()}act/retry/")
    assert Trial.objects.get(number=1).retry_of == 0
    assert "Queue it again" not in page(admin_client)


def test_result_is_invalidated_for_a_reason(admin_client: Client, api: APIClient) -> None:
    create_study(api)
    start_trial(api)
    complete(api, "search", 0, 0.5)
    admin_client.post(f"{url_of()}act/invalidate/", {"reason": " "})
    assert Trial.objects.get().state == "COMPLETE"
    admin_client.post(f"{url_of()}act/invalidate/", {"reason": "wrong data"})
    assert (Trial.objects.get().state, Trial.objects.get().reason) == ("FAIL", "wrong data")


def test_other_actions_are_not_found(admin_client: Client, api: APIClient) -> None:
    create_study(api)
    start_trial(api)
    assert admin_client.post(f"{url_of()}act/delete/").status_code == 404
    assert admin_client.get(f"{url_of()}act/retry/").status_code == 405
    assert admin_client.get(f"{url_of()}note/").status_code == 405
    assert admin_client.post("/admin/trials/trial/999/note/").status_code == 404


# Who sees what ----------------------------------------------------------------------------


def test_reader_sees_no_form_and_no_audit(staff_client: Any, api: APIClient) -> None:
    create_study(api)
    start_trial(api)
    trial_action(api, 0, "fail")
    reader = staff_client("view_trial", "view_study")
    text = page(reader)
    for absent in ("Save the note", "Queue it again", "<h2>Audit</h2>"):
        assert absent not in text
    assert reader.post(f"{url_of()}note/", {"note": "n"}).status_code == 403
    assert reader.post(f"{url_of()}act/retry/").status_code == 403
    assert reader.get(f"{url_of()}curves/").status_code == 200


def test_stranger_sees_nothing(staff_client: Any, api: APIClient) -> None:
    create_study(api)
    start_trial(api)
    stranger = staff_client("view_study", "change_study")
    for path in ("change/", "curves/"):
        assert stranger.get(url_of() + path).status_code == 403
    assert stranger.post(f"{url_of()}note/", {"note": "n"}).status_code == 403
    assert annotation(api) == (None, {})


# Its cost ---------------------------------------------------------------------------------


def test_page_costs_the_same_at_three_and_at_many_trials(admin_client: Client, db: None) -> None:
    study = build_study()
    add_finished_trials(study, 3)
    admin_client.get(f"{url_of()}change/")  # what Django caches on first use

    def cost(path: str) -> int:
        with CaptureQueriesContext(connection) as queries:
            response = admin_client.get(url_of() + path)
        assert response.status_code == 200
        assert len(response.content) < 60_000
        return len(queries)

    before = cost("change/"), cost("curves/")
    add_finished_trials(study, 3000)
    assert (cost("change/"), cost("curves/")) == before


def test_curves_are_those_of_the_trial_the_best_and_others(
    admin_client: Client, api: APIClient
) -> None:
    create_study(api, direction="maximize")
    for number in range(3):
        suggest(api)
        steps = {str(step): number + step / 10 for step in range(2)}
        complete(api, "search", number, number, intermediate_values=steps)
    found = json.loads(admin_client.get(f"{url_of(0)}curves/").content)
    assert found == {
        "this": {"trial_id": 0, "state": "COMPLETE", "steps": [0, 1], "values": [0, 0.1]},
        "best": {"trial_id": 2, "state": "COMPLETE", "steps": [0, 1], "values": [2, 2.1]},
        "others": [{"trial_id": 1, "state": "COMPLETE", "steps": [0, 1], "values": [1, 1.1]}],
    }
    assert json.loads(admin_client.get(f"{url_of(2)}curves/").content)["best"] is None

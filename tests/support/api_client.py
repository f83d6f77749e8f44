"""The REST API through Django's test client: requests and assertions on their answers.

A `post_…` function returns the response; the others expect success and return its content.
"""

import base64
import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import numpy as np
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample
from rest_framework.test import APIClient

from studies.models import NamedStudy
from tests.support import JSON, X_SPACE
from trials.projection.consistency import differences

STUDIES = "/api/v1/studies"
STUDY_NAME = "search"  # the study's name where a test needs no other
STUDY_URL = f"{STUDIES}/{STUDY_NAME}"
TRIALS_URL = f"{STUDY_URL}/trials"


def authorized_client(key: str) -> APIClient:
    """A client of the API that sends this token."""
    client = APIClient()
    client.default_format = "json"
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {key}")
    return client


# Studies ----------------------------------------------------------------------------------


def post_study(api: APIClient, **definition: Any) -> Any:
    """Post a study, of one parameter x where the definition says nothing else."""
    return api.post(STUDIES, {"name": STUDY_NAME, "search_space": X_SPACE} | definition)


def create_study(api: APIClient, **definition: Any) -> JSON:
    response = post_study(api, **definition)
    assert response.status_code == 201, response.content
    return response.json()


def get_study(api: APIClient, study_name: str = STUDY_NAME) -> JSON:
    return api.get(f"{STUDIES}/{study_name}").json()


def study_state(api: APIClient, study_name: str = STUDY_NAME) -> tuple[str, str | None]:
    """A study's state, and the reason of it."""
    study = get_study(api, study_name)
    return study["state"], study["state_reason"]


# Trials -----------------------------------------------------------------------------------


def post_suggest(api: APIClient, study_name: str = STUDY_NAME, /, **body: Any) -> Any:
    return api.post(f"{STUDIES}/{study_name}/trials/suggest", body)


def suggest(api: APIClient, study_name: str = STUDY_NAME, /, **body: Any) -> JSON:
    response = post_suggest(api, study_name, **body)
    assert response.status_code == 200, response.content
    return response.json()


def start_trial(api: APIClient, study_name: str = STUDY_NAME, /, **body: Any) -> int:
    """The number of a suggested trial."""
    return suggest(api, study_name, **body)["trial_id"]


def create_study_with_running_trial(api: APIClient, **definition: Any) -> None:
    """Create a study whose trial 0 runs."""
    create_study(api, **definition)
    suggest(api)


def suggest_batch(
    api: APIClient, count: int, study_name: str = STUDY_NAME, /, **body: Any
) -> list[JSON]:
    url = f"{STUDIES}/{study_name}/trials/suggest-batch"
    response = api.post(url, {"count": count, **body})
    assert response.status_code == 200, response.content
    assert list(response.json()) == ["trials"]
    return response.json()["trials"]


def trial_action(
    api: APIClient, trial_id: int, action: str, study_name: str = STUDY_NAME, /, **body: Any
) -> JSON:
    """Complete, prune or fail a trial, report a value, or send a heartbeat."""
    response = api.post(f"{STUDIES}/{study_name}/trials/{trial_id}/{action}", body)
    assert response.status_code == 200, response.content
    return response.json()


def complete(
    api: APIClient, study_name: str, trial_id: int, values: float | list[float], **more: Any
) -> JSON:
    return trial_action(api, trial_id, "complete", study_name, values=values, **more)


def prune(api: APIClient, study_name: str, trial_id: int) -> JSON:
    return trial_action(api, trial_id, "prune", study_name)


def add_trials(api: APIClient, new: Any, study_name: str = STUDY_NAME) -> Any:
    """Queue or record a trial, or a list of them."""
    response = api.post(f"{STUDIES}/{study_name}/trials", new)
    assert response.status_code == 201, response.content
    return response.json()


def post_trial(api: APIClient, **more: Any) -> Any:
    """Post a trial of x = 0.5."""
    return api.post(TRIALS_URL, {"params": {"x": 0.5}, **more})


def stored_trial(api: APIClient, number: int = 0) -> JSON:
    """A trial as results and lists have it: without its note and links."""
    trial = api.get(f"{TRIALS_URL}/{number}").json()
    assert (trial.pop("note"), trial.pop("links")) == (None, {})
    return trial


def list_trials(api: APIClient, study_name: str = STUDY_NAME) -> list[JSON]:
    return api.get(f"{STUDIES}/{study_name}/trials?limit=1000").json()


# Answers ----------------------------------------------------------------------------------


def get_page(api: APIClient, url: str = TRIALS_URL, **query: Any) -> Any:
    """The response of a list, whose query may hold objects."""
    texts = {k: json.dumps(v) if isinstance(v, dict) else v for k, v in query.items()}
    response = api.get(f"{url}?{urlencode(texts)}" if texts else url)
    assert response.status_code == 200, response.content
    return response


def trial_numbers(response: Any) -> list[int]:
    return [trial["trial_id"] for trial in response.json()]


def page_links(response: Any) -> dict[str, str]:
    """The URLs of the Link header, by their relation."""
    return {name: url for url, name in re.findall(r'<([^>]+)>; rel="(\w+)"', response["Link"])}


def strict_json(response: Any) -> Any:
    """The content of an answer, which has neither NaN nor Infinity."""
    assert response.status_code == 200, response.content

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    return json.loads(response.content, parse_constant=refuse)


def unpacked_figure(content: Any) -> Any:
    """Plotly's JSON with its packed arrays as lists; None for NaN."""
    if isinstance(content, list):
        return [unpacked_figure(each) for each in content]
    if not isinstance(content, dict):
        return content
    if "bdata" not in content:
        return {key: unpacked_figure(each) for key, each in content.items()}
    array = np.frombuffer(base64.b64decode(content["bdata"]), content["dtype"])
    shape = [int(n) for n in str(content.get("shape", array.size)).split(",")]
    numbers = [None if np.isnan(number) else number for number in array.tolist()]
    return np.array(numbers, dtype=object).reshape(shape).tolist()


# Refusals ---------------------------------------------------------------------------------


def assert_refused(response: Any, status: int, code: str) -> JSON:
    """Check that this is a problem document, and return it."""
    problem = response.json()
    assert (response.status_code, problem["code"]) == (status, code)
    assert response["Content-Type"] == "application/problem+json"
    return problem


def assert_problem(response: Any, status: int, code: str) -> JSON:
    """Check every member of a problem document, and return it."""
    assert response.status_code == status, response.content
    assert response["Content-Type"] == "application/problem+json"
    document = json.loads(response.content)
    titles = {
        400: "Bad Request",
        404: "Not Found",
        405: "Method Not Allowed",
        411: "Length Required",
        415: "Unsupported Media Type",
        500: "Internal Server Error",
        503: "Service Unavailable",
    }
    members = {"type", "title", "status", "detail", "code"}
    if status >= 500:
        members |= {"request_id"}
        assert document["request_id"] == response["X-Request-ID"]
    assert document.keys() - {"errors"} == members
    assert document["type"] == f"urn:tuner:problem:{code}"
    assert (document["title"], document["status"]) == (titles[status], status)
    assert document["code"] == code
    assert isinstance(document["detail"], str)
    assert document["detail"]
    for error in document.get("errors", []):
        assert error.keys() == {"pointer", "detail"}
    return document


def assert_reason_refused(response: Any, status: int, code: str) -> str:
    """Check that the dashboard is refused this, and return the reason, which it displays."""
    problem = assert_refused(response, status, code)
    assert problem["reason"] == problem["detail"]
    return problem["reason"]


def invalid_pointers(response: Any) -> list[str]:
    """The JSON pointers to what is wrong in an invalid request."""
    return [error["pointer"] for error in assert_refused(response, 400, "invalid")["errors"]]


def assert_text_refused(api: APIClient, url: str, text: str) -> None:
    """Check that a body is refused as it is written, such as one with NaN."""
    response = api.generic("POST", url, text, "application/json")
    assert response.status_code == 400, response.content


def assert_try_later(response: Any, code: str) -> None:
    assert_refused(response, 429, code)
    assert response["Retry-After"] == "1"


def assert_study_completed(api: APIClient, reason: str) -> None:
    """Check that the study was completed for this reason, and that it suggests no trial."""
    assert study_state(api) == ("COMPLETED", reason)
    for response in (
        post_suggest(api),
        post_suggest(api, worker_id="w"),
        api.post(f"{TRIALS_URL}/suggest-batch", {"count": 2}),
    ):
        assert assert_refused(response, 409, "study_completed")["reason"] == reason
    assert_schemas_agree()


def assert_schemas_agree(study_name: str = STUDY_NAME) -> None:
    """Check that Django's and Optuna's tables say the same of a study."""
    assert list(differences(NamedStudy(study_name).one())) == []


# Metrics, in Prometheus' text format ------------------------------------------------------


def metric_samples(text: str) -> Iterator[Sample]:
    for family in text_string_to_metric_families(text):
        yield from family.samples


def metric_total(text: str, name: str, **labels: str) -> float:
    """The sum of a metric's samples that have these labels."""
    return sum(
        sample.value
        for sample in metric_samples(text)
        if sample.name == name and labels.items() <= sample.labels.items()
    )


def metric_label_values(text: str, name: str, label: str) -> set[str]:
    return {sample.labels[label] for sample in metric_samples(text) if sample.name == name}


def metric_names(text: str) -> set[str]:
    """The names that queries may use, also of metrics that have no samples yet."""
    names = set()
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split()
            suffixes = ["_bucket", "_sum", "_count"] if kind == "histogram" else [""]
            names |= {name + suffix for suffix in suffixes}
    return names

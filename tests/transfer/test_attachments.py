"""Notes, links and logs in exported files and in clones."""

import json
from typing import Any

import pytest
from rest_framework.test import APIClient

from tests.support import JSON
from tests.support.api_client import TRIALS_URL, complete, create_study, suggest
from tests.support.transfer_files import clone_study, export_study, import_file, post_file
from trials.models import Annotation, TrialLog

LINKS = {"run": "https://example.org/1"}


@pytest.fixture
def study(api: APIClient) -> None:
    """Trial 0 with a note, links and a log, trial 1 without."""
    create_study(api, sampler="random")
    for number in range(2):
        suggest(api)
        complete(api, "search", number, 0.5)
    api.patch(f"{TRIALS_URL}/0", {"note": "n", "links": LINKS})
    api.generic("PUT", f"{TRIALS_URL}/0/log", "x" * 70_000 + "\nend ☃\n", "text/plain")


def attached(api: APIClient, name: str, number: int) -> tuple[Any, ...]:
    url = f"/api/v1/studies/{name}/trials/{number}"
    trial, log = api.get(url).json(), api.get(f"{url}/log").json()
    return trial["note"], trial["links"], *(log[key] for key in ("text", "size", "written_at"))


def lines(file: bytes) -> list[JSON]:
    return [json.loads(line) for line in file.splitlines()]


@pytest.mark.usefixtures("study")
def test_file_has_them(api: APIClient) -> None:
    before = [attached(api, "search", number) for number in range(2)]
    file = export_study(api)
    api.delete("/api/v1/studies/search")
    import_file(api, file)
    assert [attached(api, "search", number) for number in range(2)] == before
    assert export_study(api) == file
    assert (Annotation.objects.count(), TrialLog.objects.count()) == (1, 1)
    assert not {"note", "links", "log"} & lines(file)[2].keys()


@pytest.mark.usefixtures("study")
def test_clone_has_notes_and_links(api: APIClient) -> None:
    clone_study(api)
    assert attached(api, "clone", 0)[:3] == ("n", LINKS, "")
    assert attached(api, "clone", 1)[:3] == (None, {}, "")


@pytest.mark.usefixtures("study")
@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"links": {"x": "javascript:alert(1)"}}, "/2/links/x"),
        ({"links": {"x": None}}, "/2/links/x"),
        ({"links": {str(n): "https://a" for n in range(21)}}, "/2/links"),
        ({"note": "x" * 4001}, "/2/note"),
        ({"log": {"text": "x" * 65_537, "size": 65_537}}, "/2/log/text"),
        ({"log": {"text": "xx", "size": 1}}, "/2/log/size"),
        ({"log": {"text": "xx"}}, "/2/log/size"),
    ],
)
def test_invalid_ones_are_refused(api: APIClient, change: JSON, pointer: str) -> None:
    first, trial, *rest = lines(export_study(api))
    api.delete("/api/v1/studies/search")
    changed = [first, trial | change, *rest]
    response = post_file(api, b"".join(json.dumps(each).encode() + b"\n" for each in changed))
    assert [each["pointer"] for each in response.json()["errors"]] == [pointer]

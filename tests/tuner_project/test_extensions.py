"""Extensions that the apps register with the frame."""

import re
from pathlib import Path

import pytest

import tuner_project
from tuner_project import extensions

FRAME = Path(tuner_project.__file__).parent
# Not "release".
SUBJECTS = re.compile(r"stud(y|ies)|trial|suggest|sampler|\blease", re.IGNORECASE)


def test_frame_names_no_subject_of_the_apps() -> None:
    files = [*FRAME.rglob("*.py"), *FRAME.rglob("*.html")]
    assert len(files) > 40
    named = {
        f"{file.relative_to(FRAME)}:{number}: {line.strip()}"
        for file in files
        if file.name != "settings.py"  # it puts the service together
        for number, line in enumerate(file.read_text().splitlines(), 1)
        if SUBJECTS.search(line)
    }
    assert named == set()


def test_urls_that_go_first_do_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extensions, "API_URLS", [])
    extensions.register_api_urls("a.urls")
    extensions.register_api_urls("b.urls")
    extensions.register_api_urls("c.urls", first=True)
    assert extensions.API_URLS == ["c.urls", "a.urls", "b.urls"]


def test_links_of_two_apps_begin_at_one_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extensions, "OPENAPI_LINKS", {})
    extensions.register_openapi_links({("make", "201"): {"get": {"name": "n"}}})
    extensions.register_openapi_links({("make", "201"): {"delete": {"name": "n"}}})
    assert extensions.OPENAPI_LINKS == {
        ("make", "201"): {"get": {"name": "n"}, "delete": {"name": "n"}}
    }

"""What an import costs: it grows with the size of the file, and only so many run at a time."""

import io
import json
from typing import Any

import pytest
from django.db import connection
from django.test import override_settings
from rest_framework.test import APIClient

from studies.models import Study
from tests.support.api_client import add_trials, assert_refused, create_study
from tests.support.database import recorded_statements
from tests.support.transfer_files import (
    assert_line_refused,
    assert_nothing_stored,
    import_file,
    parsed_lines,
    post_file,
)
from transfer.api.import_slots import import_slot
from transfer.file.reading import MAX_LINE, lines_of
from trials.projection.trial_rows import PARAMS

pytestmark = pytest.mark.django_db


def test_renaming_costs_the_same_for_each_study(api: APIClient, file: bytes) -> None:
    head, *_ = parsed_lines(file)
    end = {"kind": "end", "study_name": "search", "n_trials": 0}
    study = f"{json.dumps(head)}\n{json.dumps(end)}\n".encode()
    counts = []
    for n in (20, 40):
        with recorded_statements() as statements:
            answer = import_file(api, study * n, "?conflict=rename")
        counts.append(len(statements) / n)
    assert counts[1] < 1.1 * counts[0]
    names = ["search", *(f"search ({n})" for n in range(2, 61))]
    assert list(Study.objects.order_by("id").values_list("name", flat=True)) == names
    assert answer["studies"][-1]["imported_as"] == "search (60)"


def test_renaming_fills_the_first_gap(api: APIClient, file: bytes) -> None:
    for name in ("search", "search (2)", "search (4)", "search (x)"):
        create_study(api, name=name)
    answer = import_file(api, file * 3, "?conflict=rename")
    names = [each["imported_as"] for each in answer["studies"]]
    assert names == ["search (3)", "search (5)", "search (6)"]


def test_search_space_is_read_once_for_many_trials(api: APIClient) -> None:
    create_study(api, sampler="random")
    trial = {"state": "COMPLETE", "values": 1}
    add_trials(api, [{"params": {"x": k / 10}, **trial} for k in range(10)])
    study = Study.objects.get()
    query = PARAMS.query.format(where="t.study_id = %(study)s")
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {query}", {"study": study.id})
        [[[plan]]] = cursor.fetchall()
    assert [node["Actual Loops"] for node in nodes(plan["Plan"], "Function Scan")] == [1]


def nodes(plan: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    below = [node for each in plan.get("Plans", ()) for node in nodes(each, kind)]
    return [plan, *below] if plan["Node Type"] == kind else below


def test_line_above_the_limit_is_refused(api: APIClient, file: bytes) -> None:
    first, *_ = file.splitlines(keepends=True)
    long = b'{"kind": "trial", "reason": "' + b"x" * MAX_LINE + b'"}\n'
    problem = assert_line_refused(post_file(api, first + long), 2)
    assert problem["detail"] == "line 2: it is longer than 16777216 bytes"
    assert_nothing_stored()


def test_line_without_end_is_read_in_parts() -> None:
    lines = list(lines_of(io.BytesIO(bytes(2 * MAX_LINE + 5))))
    assert list(map(len, lines)) == [MAX_LINE + 1, MAX_LINE + 1, 3]


@override_settings(MAX_PARALLEL_IMPORTS=2)
def test_imports_beyond_the_limit_are_refused_at_once(api: APIClient, file: bytes) -> None:
    with import_slot(), import_slot():
        refused = post_file(api, file)
        assert_refused(refused, 503, "too_many_imports")
        assert refused["Retry-After"] == "5"
        assert_nothing_stored()
    import_file(api, file)


@override_settings(MAX_PARALLEL_IMPORTS=1)
def test_refused_file_frees_its_slot(api: APIClient, file: bytes) -> None:
    for _ in range(3):
        assert_line_refused(post_file(api, b"{}"), 1)
    import_file(api, file)

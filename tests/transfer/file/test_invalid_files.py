"""Invalid files: the error names the line, and nothing is stored."""

from collections.abc import Callable
from typing import Any

import pytest
from rest_framework.test import APIClient

from tests.support import JSON
from tests.support.api_client import assert_refused
from tests.support.transfer_files import (
    N_FILE_TRIALS,
    assert_line_refused,
    assert_nothing_stored,
    export_study,
    import_file,
    parsed_lines,
    post_file,
    set_keys,
    with_line_changed,
)
from transfer.file import reading

# Cut files -----------------------------------------------------------------------------------


def test_file_cut_between_lines_is_refused(api: APIClient, file: bytes) -> None:
    lines = file.splitlines(keepends=True)
    for n in range(1, len(lines)):
        problem = assert_line_refused(post_file(api, b"".join(lines[:n])), n + 1)
        assert problem["detail"] == (
            f'line {n + 1}: the file ends within study "search": it was cut off'
        )


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_file_cut_within_a_line_is_refused(api: APIClient, file: bytes, share: float) -> None:
    lines = file.splitlines(keepends=True)
    for n, line in enumerate(lines):
        last = 1 + int(share * (len(line) - 3))  # up to the closing bracket, which is missing
        cut = b"".join(lines[:n]) + line[:last]
        problem = assert_line_refused(post_file(api, cut), n + 1)
        assert "it is not valid JSON: " in problem["detail"]


def test_last_line_needs_no_newline(api: APIClient, file: bytes) -> None:
    import_file(api, file.rstrip())
    assert export_study(api) == file


@pytest.mark.parametrize("line", range(2, N_FILE_TRIALS + 2))
def test_file_without_one_of_its_lines_is_refused(api: APIClient, file: bytes, line: int) -> None:
    lines = file.splitlines(keepends=True)
    del lines[line - 1]
    assert_line_refused(post_file(api, b"".join(lines)), line)


def test_cut_second_study_rolls_back_the_first(api: APIClient, file: bytes) -> None:
    other = with_line_changed(file, 1, lambda line: line.update(study_name="other"))
    other = with_line_changed(
        other, N_FILE_TRIALS + 2, lambda line: line.update(study_name="other")
    )
    cut = b"".join(other.splitlines(keepends=True)[:3])
    assert_line_refused(post_file(api, file + cut), N_FILE_TRIALS + 2 + 4)


# Bad lines -----------------------------------------------------------------------------------


def without(key: str) -> Callable[[JSON], Any]:
    return lambda line: line.pop(key)


BAD_STUDIES: list[tuple[Callable[[JSON], Any], str, str]] = [
    (set_keys(kind="trial"), "/kind", "expected a study, not 'trial'"),
    (set_keys(format=2), "/format", "format 2 is not supported, only 1"),
    (set_keys(extra=1), "/extra", "unknown key"),
    (without("search_space"), "/search_space", "required"),
    (set_keys(study_name="a/b"), "/study_name", 'a name has no "/"'),
    (set_keys(direction="up"), "/direction", "expected minimize or maximize"),
    (set_keys(search_space=[]), "/search_space", "at least 1"),
    (
        set_keys(search_space=[{"type": "float", "name": "x", "low": 2, "high": 1}]),
        "/search_space/0/low",
        "low (2.0) is above high (1.0)",
    ),
    (set_keys(sampler="annealing"), "/sampler", '"annealing" is not a valid choice'),
    (set_keys(sampler_options={"sed": 1}), "/sampler_options/sed", "unknown option"),
    (set_keys(sampler_options={"seed": -1}), "/sampler_options/seed", "expected an integer from 0"),
    (set_keys(pruner_options={"seed": 1}), "/pruner_options/seed", "unknown option"),
    (set_keys(direction=["minimize"] * 2, target_value=1), "/target_value", "for one objective"),
    (set_keys(pruning_direction="minimize"), "/pruning_direction", "for several objectives"),
    (set_keys(state="DONE"), "/state", '"DONE" is not a valid choice'),
    (set_keys(state_history=[{"state": "ACTIVE"}]), "/state_history/0/datetime", "required"),
    (set_keys(created_with={"sampler": "tpe"}), "/created_with/sampler", "unknown key"),
    (set_keys(max_trials=0), "/max_trials", "greater than or equal to 1"),
    (set_keys(datetime_start="2026-01-01T00:00:00"), "/datetime_start", "the offset is missing"),
    (set_keys(constraints=["c", "c"]), "/constraints", "names are unique"),
    (set_keys(user_attrs=[1]), "/user_attrs", "expected an object"),
]


@pytest.mark.parametrize(("change", "pointer", "text"), BAD_STUDIES)
def test_invalid_study_is_refused(
    api: APIClient, file: bytes, change: Any, pointer: str, text: str
) -> None:
    problem = assert_line_refused(post_file(api, with_line_changed(file, 1, change)), 1)
    assert problem["errors"][0]["pointer"] == f"/1{pointer}"
    assert text in problem["errors"][0]["detail"]


BAD_TRIALS: list[tuple[str, Callable[[JSON], Any], str, str]] = [
    ("COMPLETE", set_keys(kind="study"), "/kind", "expected a trial or the end of study"),
    ("COMPLETE", set_keys(number=1), "/number", "expected trial 0, not 1"),
    ("COMPLETE", set_keys(extra=1), "/extra", "unknown key"),
    ("COMPLETE", without("params"), "/params", "required"),
    ("COMPLETE", set_keys(params={"y": 1}), "/params/y", "unknown parameter"),
    ("COMPLETE", set_keys(params={"x": 1.5}), "/params/x", "1.5 is not a number from 0.0 to 1.0"),
    ("COMPLETE", set_keys(params={"x": "0.5"}), "/params/x", "expected a number"),
    ("COMPLETE", set_keys(values=[1, 2]), "/values", "the study has 1 objectives, not 2"),
    ("COMPLETE", set_keys(values=[]), "/values", "the study has 1 objectives, not 0"),
    ("COMPLETE", set_keys(values=None), "/values", "a COMPLETE trial must have it"),
    ("COMPLETE", set_keys(values=["NaN"]), "/values", "must not be NaN"),
    ("COMPLETE", set_keys(values=["inf"]), "/values/0", "expected a number"),
    ("COMPLETE", set_keys(constraints={"d": 1}), "/constraints", "no others: c"),
    ("COMPLETE", set_keys(constraints={"c": 9}), "/system_attrs", "differ from constraints"),
    ("COMPLETE", set_keys(constraints={"c": "NaN"}), "/constraints/c", "expected a number"),
    ("COMPLETE", set_keys(datetime_start=None), "/datetime_start", "a COMPLETE trial must have it"),
    (
        "COMPLETE",
        set_keys(lease_expires_at="2026-01-01T00:00:00Z"),
        "/lease_expires_at",
        "has none",
    ),
    ("COMPLETE", set_keys(retried_as=2), "/retried_as", "a COMPLETE trial is not tried again"),
    ("COMPLETE", set_keys(intermediate_values={"-1": 1}), "/intermediate_values/-1", "a step is"),
    ("COMPLETE", set_keys(intermediate_values={"1": None}), "/intermediate_values/1", "null"),
    ("COMPLETE", set_keys(worker_id=" "), "/worker_id", "not only blanks"),
    ("COMPLETE", set_keys(retry_of=0), "/retry_of", "no trial was retried as trial 0"),
    ("COMPLETE", set_keys(state="DONE"), "/state", '"DONE" is not a valid choice'),
    (
        "COMPLETE",
        set_keys(study_attrs={"NSGAIISampler:parent:1": [0, 6]}),
        "/study_attrs/NSGAIISampler:parent:1",
        "it names trials that do not exist",
    ),
    ("FAIL", set_keys(values=[1]), "/values", "a FAIL trial has none"),
    ("FAIL", set_keys(retried_as=0), "/retried_as", "trial 0 is not the next attempt of trial 1"),
    ("FAIL", set_keys(datetime_complete=None), "/datetime_complete", "a FAIL trial must have it"),
    ("WAITING", set_keys(values=[1]), "/values", "a WAITING trial has none"),
    ("WAITING", set_keys(params={}), "/system_attrs/fixed_params", "they differ from params"),
    ("WAITING", set_keys(datetime_start="2026-01-01T00:00:00Z"), "/datetime_start", "has none"),
    ("RUNNING", set_keys(datetime_complete="2026-01-01T00:00:00Z"), "/datetime_complete", "none"),
    ("RUNNING", set_keys(lease_expires_at=None), "/lease_expires_at", "required for a running"),
]


@pytest.mark.parametrize(("state", "change", "pointer", "text"), BAD_TRIALS)
def test_invalid_trial_is_refused(
    api: APIClient, file: bytes, state: str, change: Any, pointer: str, text: str
) -> None:
    lines = parsed_lines(file)
    line = next(n for n, each in enumerate(lines, 1) if each.get("state") == state and n > 1)
    bad = with_line_changed(file, line, change)

    problem = assert_refused(post_file(api, bad), 400, "invalid")

    errors = {error["pointer"]: error["detail"] for error in problem["errors"]}
    assert text in errors.get(f"/{line}{pointer}", "nothing"), errors
    assert problem["detail"].startswith(f"line {line}: ")
    assert_nothing_stored()


def test_retry_without_its_back_reference_is_refused(api: APIClient, file: bytes) -> None:
    line = next(n for n, each in enumerate(parsed_lines(file), 1) if each.get("retry_of") == 1)
    response = post_file(api, with_line_changed(file, line, set_keys(retry_of=None, attempt=1)))
    detail = assert_line_refused(response, line)["detail"]
    assert detail == f"line {line}: /retry_of: trial 1 was retried as trial {line - 2}"


def test_retry_that_is_no_later_attempt_is_refused(api: APIClient, file: bytes) -> None:
    line = next(n for n, each in enumerate(parsed_lines(file), 1) if each.get("retry_of") == 1)
    response = post_file(api, with_line_changed(file, line, set_keys(attempt=1)))
    detail = assert_line_refused(response, line)["detail"]
    assert detail == f"line {line}: /attempt: expected more than 1, not 1"


def test_retry_of_a_missing_trial_is_refused(api: APIClient, file: bytes) -> None:
    response = post_file(api, with_line_changed(file, 7, set_keys(retried_as=99)))
    assert assert_line_refused(response, 7)["detail"] == (
        "line 7: /retried_as: there is no trial 99"
    )


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        (set_keys(n_trials=5), "/n_trials"),
        (set_keys(n_trials=7), "/n_trials"),
        (set_keys(study_name="other"), "/study_name"),
        (set_keys(extra=1), "/extra"),
    ],
)
def test_invalid_end_is_refused(api: APIClient, file: bytes, change: Any, pointer: str) -> None:
    problem = assert_line_refused(post_file(api, with_line_changed(file, 8, change)), 8)
    assert problem["errors"][0]["pointer"] == f"/8{pointer}"


@pytest.mark.parametrize(
    ("text", "detail"),
    [
        (b"{}", "line 4: /kind: expected a trial or the end of"),
        (b"[]", "line 4: expected a JSON object"),
        (b'{"kind": "trial", "number": NaN}', "line 4: NaN is not a JSON number"),
        (b'{"kind": "trial", "kind": "end"}', "line 4: the key 'kind' is repeated"),
        (b'{"kind": "\\u0000"}', "line 4: text with a NUL character"),
        (b'{"kind": "\\ud800"}', "line 4: text with a lone surrogate"),
        (b'{"kind": "\xff"}', "line 4: it is not valid JSON: 'utf-8'"),
        (b'{"kind": ' + b"[" * 100 + b"]" * 100 + b"}", "line 4: it is nested too deeply"),
        (b"[" * 100_000, "line 4: it is nested too deeply"),
        (b"", "line 4: it is blank, but more lines follow"),
    ],
)
def test_empty_line_is_refused(api: APIClient, file: bytes, text: bytes, detail: str) -> None:
    lines = file.splitlines()
    response = post_file(api, b"\n".join([*lines[:3], text, *lines[3:]]))
    assert assert_line_refused(response, 4)["detail"].startswith(detail)


def test_too_long_line_is_refused(
    api: APIClient, file: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "MAX_LINE", 20_000)
    long = with_line_changed(
        file, 3, set_keys(reason="x" * 9_000, user_attrs={"long": "y" * 11_000})
    )
    problem = assert_line_refused(post_file(api, long), 3)
    assert problem["detail"] == "line 3: it is longer than 20000 bytes"


@pytest.mark.parametrize("body", [b"", b"\n", b"  \n\n"])
def test_empty_body_is_refused(api: APIClient, body: bytes) -> None:
    problem = assert_line_refused(post_file(api, body), 1)
    assert problem["detail"] == "line 1: the file is empty: expected a study"


@pytest.mark.parametrize("media_type", ["application/json", "text/plain", "multipart/form-data"])
def test_other_media_types_are_refused(api: APIClient, file: bytes, media_type: str) -> None:
    response = post_file(api, file, media_type=media_type)
    assert_refused(response, 415, "unsupported_media_type")
    assert_nothing_stored()


def test_jsonl_media_type_is_accepted(api: APIClient, file: bytes) -> None:
    response = post_file(api, file, media_type="application/jsonl; charset=utf-8")
    assert response.status_code == 201
    assert export_study(api) == file


@pytest.mark.parametrize(
    ("query", "pointer"),
    [("?conflict=merge", "/conflict"), ("?dry_run=1", "/dry_run"), ("?dry=true", "/dry")],
)
def test_invalid_query_is_refused(api: APIClient, file: bytes, query: str, pointer: str) -> None:
    problem = assert_refused(post_file(api, file, query), 400, "invalid")
    assert problem["errors"][0]["pointer"] == pointer
    assert_nothing_stored()

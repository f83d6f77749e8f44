"""Long lines, lines with many errors, and byte order marks."""

import codecs
import itertools
from collections import deque
from typing import Any

import pytest
from rest_framework.test import APIClient

from tests.support.api_client import create_study
from tests.support.database import recorded_statements
from tests.support.memory import peak_memory
from tests.support.transfer_files import (
    assert_line_refused,
    assert_nothing_stored,
    delete_study,
    export_study,
    import_file,
    joined_lines,
    parsed_lines,
    post_file,
    set_keys,
    with_line_changed,
)
from transfer.api import spooling
from transfer.domain import importing
from transfer.file import reading
from transfer.file.line import MAX_FAULTS


@pytest.mark.accept
def test_trial_of_many_steps_is_one_line(api: APIClient, file: bytes) -> None:
    steps = {str(step): step / 7 for step in range(550_000)}
    line = joined_lines([parsed_lines(file)[1] | {"intermediate_values": steps}])
    assert 0.9 * reading.MAX_LINE < len(line) <= reading.MAX_LINE == 16 * 2**20
    with spooling.spooled([line]) as spooled:
        assert list(reading.lines_of(spooled)) == [line]


def test_many_errors_are_listed_in_part(api: APIClient, file: bytes) -> None:
    bad = with_line_changed(file, 2, set_keys(params={f"y{n}": 1 for n in range(1000)}))
    response = post_file(api, bad)
    problem = assert_line_refused(response, 2)
    assert len(problem["errors"]) == MAX_FAULTS
    assert problem["detail"] == (
        'line 2: /params/y0: parameter "y0": unknown parameter; the parameters are: x '
        "(and 999 more)"
    )


def test_errors_of_a_long_space_are_listed_in_part(api: APIClient) -> None:
    space = [{"type": "float", "name": f"p{n:0200}", "low": 0, "high": 1} for n in range(1000)]
    create_study(api, search_space=space)
    lines = parsed_lines(export_study(api))
    delete_study(api)
    trial = {"kind": "trial", "number": 0, "state": "WAITING", "params": {"y": 1}}
    problem = assert_line_refused(post_file(api, joined_lines([lines[0], trial, lines[1]])), 2)
    assert len(problem["detail"]) < 400
    assert problem["detail"].endswith("…")


def test_byte_order_mark_is_skipped(api: APIClient, file: bytes) -> None:
    import_file(api, codecs.BOM_UTF8 + file)
    assert export_study(api) == file


def test_id_conflict_is_no_name_conflict(
    api: APIClient, file: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else another name would be looked for, for ever."""
    taken = create_study(api, name="other")["study_id"]
    new_study = reading._study

    def with_taken_id(*arguments: Any) -> object:
        study = new_study(*arguments)
        study.id = taken
        return study

    monkeypatch.setattr(reading, "_study", with_taken_id)
    with pytest.raises(importing.IntegrityError):
        post_file(api, file, "?conflict=rename")


def test_study_attributes_are_stored_without_reading_trials(api: APIClient, file: bytes) -> None:
    noting = with_line_changed(file, 3, set_keys(study_attrs={"NSGAIISampler:parent:1": [0, 1]}))
    with recorded_statements() as statements:
        import_file(api, noting)
    assert not [each for each in map(str, statements) if "ARRAY(SELECT step" in each]
    delete_study(api)
    assert_nothing_stored()


def test_of_trials_with_study_attributes_only_these_are_kept(api: APIClient) -> None:
    create_study(api)
    head, end = export_study(api).splitlines(keepends=True)
    n, size = 40, 100_000
    trial = b'{"kind":"trial","number":%d,"state":"FAIL","params":{"x":0.5},'
    trial += b'"datetime_start":"2026-01-01T00:00:00Z","datetime_complete":"2026-01-01T00:00:00Z",'
    trial += b'"study_attrs":{"NSGAIISampler:parent:1":[0]},"user_attrs":{"a":"%s"}}\n'
    text = b"x" * size
    trials = (trial % (number, text) for number in range(n))
    lines = itertools.chain([head], trials, [end.replace(b'"n_trials":0', b'"n_trials":%d' % n)])
    section = next(reading.sections(lines))

    peak = peak_memory(lambda: deque(section.trials(), maxlen=0))

    assert len(section.notes) == n
    assert peak < n * size / 2

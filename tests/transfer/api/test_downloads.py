"""Downloaded files: names, choice of content and headers."""

from typing import Any

from rest_framework.test import APIClient

from tests.support.api_client import (
    STUDIES,
    assert_refused,
    assert_schemas_agree,
    create_study,
    get_study,
    list_trials,
)
from tests.support.transfer_files import (
    export_study,
    import_file,
    joined_lines,
    parsed_lines,
    random_study_file,
    study_url,
)

# Files ---------------------------------------------------------------------------------------


def test_download_has_a_safe_file_name(api: APIClient) -> None:
    name = 'größe "1";\\ ü'
    create_study(api, name=name)

    response: Any = api.get(f"{study_url(name)}/export")

    disposition = "attachment; filename*=utf-8''gr%C3%B6%C3%9Fe%20%221%22%3B%5C%20%C3%BC.jsonl"
    assert response["Content-Disposition"] == disposition
    *_, end = parsed_lines(b"".join(response.streaming_content))
    assert end == {"kind": "end", "study_name": name, "n_trials": 0}


def test_export_of_an_unknown_study_is_refused(api: APIClient) -> None:
    assert_refused(api.get(f"{STUDIES}/ghost/export"), 404, "study_not_found")


def test_files_may_be_concatenated(api: APIClient) -> None:
    first, second = random_study_file(1), random_study_file(2)
    names = [parsed_lines(each)[0]["study_name"] for each in (first, second)]

    answer = import_file(api, first + second + b"\n\n")

    assert [each["study_name"] for each in answer["studies"]] == names
    assert [export_study(api, name) for name in names] == [first, second]


def test_study_may_be_named_import(api: APIClient) -> None:
    create_study(api, name="import")
    assert get_study(api, "import")["study_name"] == "import"
    assert api.patch(f"{STUDIES}/import", {"max_trials": 3}).json()["max_trials"] == 3
    file = export_study(api, "import")
    assert api.delete(f"{STUDIES}/import").status_code == 204

    import_file(api, file)

    assert export_study(api, "import") == file


def test_hand_written_file_needs_only_required_keys(api: APIClient) -> None:
    space = [{"type": "float", "name": "x", "low": 0, "high": 1}]
    head = {"kind": "study", "format": 1, "study_name": "search", "direction": "minimize"}
    moment = "2026-01-01T12:00:00+01:00"
    done = {"kind": "trial", "state": "COMPLETE", "datetime_start": moment}
    lines = [
        head | {"search_space": space, "state": "ACTIVE"},
        done | {"number": 0, "params": {"x": 0}, "values": [1], "datetime_complete": moment},
        {"kind": "end", "study_name": "search", "n_trials": 1},
    ]

    import_file(api, joined_lines(lines))

    study = get_study(api)
    assert (study["best_value"], study["best_params"]) == (1.0, {"x": 0.0})
    assert (study["sampler"], study["lease_seconds"]) == ("tpe", None)
    assert list_trials(api)[0]["datetime_start"] == "2026-01-01T11:00:00+00:00"
    assert_schemas_agree()
    assert export_study(api).count(b"\n") == 3

"""Studies and storages of stock Optuna that are refused, with the reason."""

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest
from django.core.management import CommandError, call_command
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import TrialState, create_trial
from rest_framework.test import APIClient

from optuna_bridge.storage.storage import DjangoStorage
from studies.models import Study
from tests.support.api_client import assert_schemas_agree, get_study
from tests.support.optuna_oracle import close_storage, create_optuna_study, run_import_study
from tests.support.study_builders import COMMAND
from tests.support.transfer_files import (
    assert_nothing_stored,
    delete_study,
    export_study,
    import_file,
)
from transfer.domain.adoption import AdoptionRefused, adopt

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning"),
]


def _with_nothing_wrong(study: optuna.Study) -> None:
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=1)


def _large(study: optuna.Study) -> None:
    study.optimize(lambda trial: trial.suggest_int("n", 0, 2**60), n_trials=1)


def _deep(study: optuna.Study) -> None:
    value: Any = 1
    for _ in range(150):
        value = [value]
    study.set_user_attr("deep", value)


LARGE = "/search_space/0/high: "


def test_good_studies_are_imported_and_the_others_listed(
    url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    fills = {"first": _with_nothing_wrong, "large": _large, "last": _with_nothing_wrong}
    studies = [create_optuna_study(url, name) for name in fills]
    for study, fill in zip(studies, fills.values(), strict=True):
        fill(study)

    with pytest.raises(CommandError, match=f'^study "large": {LARGE}') as refused:
        call_command("import_study", "--storage", url)

    assert refused.value.returncode == 1
    assert "\n" not in str(refused.value)
    first, second, third = capsys.readouterr().out.splitlines()
    assert first == 'study "first": imported with 1 trials'
    assert second.startswith(f'study "large": refused: {LARGE}')
    assert third == 'study "last": imported with 1 trials'
    assert list(Study.objects.order_by("id").values_list("name", flat=True)) == ["first", "last"]
    for study in studies:
        close_storage(study)
    assert_schemas_agree("first")


def test_nothing_is_imported_where_all_is_wanted(
    url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    studies = [create_optuna_study(url, name) for name in ("first", *"abcd")]
    _with_nothing_wrong(studies[0])
    for study in studies[1:]:
        _large(study)

    with pytest.raises(CommandError, match=r"; and 1 more .* refused; nothing was stored$"):
        call_command("import_study", "--storage", url, "--atomic")

    assert 'study "d": refused: ' in capsys.readouterr().out
    assert_nothing_stored()
    run_import_study("--storage", url, "--atomic", "--study-name", "first")
    assert Study.objects.get().name == "first"
    for study in studies:
        close_storage(study)


def test_existing_study_is_refused_and_the_others_imported(url: str) -> None:
    first = create_optuna_study(url, "first")
    _with_nothing_wrong(first)
    run_import_study("--storage", url)
    second = create_optuna_study(url, "second")
    _with_nothing_wrong(second)

    with pytest.raises(CommandError, match=r'^study "first": study "first" exists$'):
        run_import_study("--storage", url)

    assert list(Study.objects.order_by("id").values_list("name", flat=True)) == ["first", "second"]
    close_storage(first)
    close_storage(second)


def test_attribute_that_is_nested_too_deeply_is_refused(url: str) -> None:
    study = create_optuna_study(url, "deep")
    _deep(study)
    with pytest.raises(CommandError, match="an attribute is nested too deeply"):
        run_import_study("--storage", url)
    close_storage(study)


def test_study_that_optuna_cannot_read_is_refused(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/stock.db"
    for name in ("broken", "good"):
        study = create_optuna_study(url, name)
        _with_nothing_wrong(study)
        close_storage(study)
    with sqlite3.connect(tmp_path / "stock.db") as database:
        database.execute("UPDATE trial_params SET distribution_json = '{}' WHERE trial_id = 1")
    database.close()

    with pytest.raises(CommandError, match=r'^study "broken": its trials cannot be read: KeyError'):
        run_import_study("--storage", url)

    assert Study.objects.get().name == "good"


@pytest.mark.parametrize(
    ("text", "reason"), [("[" * 100_000, "maximum recursion"), ("{", "Expecting property name")]
)
def test_study_attribute_that_optuna_cannot_read_is_reported_in_one_line(
    tmp_path: Path, text: str, reason: str
) -> None:
    url = f"sqlite:///{tmp_path}/stock.db"
    study = create_optuna_study(url)
    study.set_user_attr("team", "search")
    close_storage(study)
    with sqlite3.connect(tmp_path / "stock.db") as database:
        database.execute("UPDATE study_user_attributes SET value_json = ?", [text])
    database.close()

    with pytest.raises(CommandError, match=f"^the storage cannot be read: {reason}") as refused:
        run_import_study("--storage", url)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("sqlite:////nowhere/stock.db", "there is no file /nowhere/stock.db"),
        ("/nowhere/journal.log", "there is no file /nowhere/journal.log"),
        ("mysql://nobody@127.0.0.1/nothing", "the storage cannot be read: No module named"),
        ("postgresql://nobody@127.0.0.1:1/nothing", "the storage cannot be read: "),
        ("gopher://x", "the storage cannot be read: "),
    ],
)
def test_unreadable_storage_is_reported_in_one_line(url: str, reason: str) -> None:
    with pytest.raises(CommandError, match=reason) as refused:
        run_import_study("--storage", url)
    assert "\n" not in str(refused.value)


def test_unknown_study_is_reported_in_one_line(url: str) -> None:
    close_storage(create_optuna_study(url))
    with pytest.raises(CommandError, match='the storage has no study "ghost"'):
        run_import_study("--storage", url, "--study-name", "ghost")


def test_database_without_optunas_tables_is_not_changed(tmp_path: Path) -> None:
    path = tmp_path / "empty.db"
    path.touch()
    with pytest.raises(CommandError, match=r"the storage cannot be read: .*no such table"):
        run_import_study("--storage", f"sqlite:///{path}")
    assert path.stat().st_size == 0


@pytest.mark.parametrize("text", ["no journal\n\n", "[1]\n", "{}\n"])
def test_file_without_a_journal_is_reported_in_one_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "file"
    path.write_text(text)
    with pytest.raises(CommandError, match="is no journal"):
        run_import_study("--storage", str(path))


def test_broken_journal_is_reported_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "stock.log"
    close_storage(create_optuna_study(str(path)))
    good = path.read_bytes()
    for broken in (b'{"op_code":99,"worker_id":"w"}', b'{"op_code":4}', b"\xff", b"[]", b"null"):
        path.write_bytes(good + broken + b"\n")
        with pytest.raises(CommandError, match="is no journal, or is broken: ") as refused:
            run_import_study("--storage", str(path))
        assert "\n" not in str(refused.value)


@pytest.mark.parametrize("text", ["no journal", "no journal\n", "\n"])
def test_text_file_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "file"
    path.write_text(text)
    with pytest.raises(CommandError, match="is no journal"):
        run_import_study("--storage", str(path))


def test_empty_journal_has_no_study(tmp_path: Path) -> None:
    path = tmp_path / "stock.log"
    path.touch()
    with pytest.raises(CommandError, match="the storage has no study"):
        run_import_study("--storage", str(path))


@pytest.mark.parametrize("url", ["sqlite:///{}?timeout=5", "sqlite:///file:{}?mode=ro&uri=true"])
def test_url_of_sqlite_may_have_options(tmp_path: Path, url: str) -> None:
    path = tmp_path / "stock.db"
    study = create_optuna_study(f"sqlite:///{path}")
    _with_nothing_wrong(study)
    assert "imported with 1 trials" in run_import_study("--storage", url.format(path))
    close_storage(study)
    with pytest.raises(CommandError, match=f"there is no file {tmp_path}/other.db$"):
        run_import_study("--storage", url.format(tmp_path / "other.db"))


# What the import of a file refuses -----------------------------------------------------------

X: BaseDistribution = FloatDistribution(0, 1)


def _of(space: dict[str, BaseDistribution], **more: Any) -> optuna.trial.FrozenTrial:
    params = {name: each.to_external_repr(0.0) for name, each in space.items()}
    return create_trial(params=params, distributions=space, **{"value": 1.0, **more})


def _waiting(space: dict[str, BaseDistribution], attrs: dict[str, Any]) -> optuna.trial.FrozenTrial:
    return _of(space, value=None, state=TrialState.WAITING, system_attrs=attrs)


BAD_TRIALS: list[tuple[optuna.trial.FrozenTrial, str]] = [
    (_of({"": X}), "/search_space/0/name: This field may not be blank"),
    (_of({"n": IntDistribution(0, 2**60)}), "/search_space/0/high: "),
    (_of({f"x{n}": X for n in range(1001)}), "/search_space: "),
    (_of({"x": X}, constraints={"c" * 300: 0.0}), "/constraints/0: "),
    (_of({"x": X}, system_attrs={"constraints": ["a"]}), "trial 0: /constraints/0: expected a num"),
    (_of({"x": X}, system_attrs={"constraints": 5}), "trial 0: /system_attrs/constraints: expec"),
    (_waiting({"x": X}, {"fixed_params": 5}), "trial 0: /system_attrs/fixed_params: expected an o"),
]


def test_refusal_names_the_number_in_the_storage(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/stock.db"
    study = create_optuna_study(url)
    for attrs in ({}, {}, {"constraints": ["a"]}):
        study.add_trial(_of({"x": X}, system_attrs=attrs))
    close_storage(study)
    with sqlite3.connect(tmp_path / "stock.db") as database:
        database.execute("UPDATE trials SET number = number + 5 WHERE number > 0")
    database.close()
    with pytest.raises(CommandError, match="trial 7: /constraints/0: expected a number"):
        run_import_study("--storage", url)


def _refusals(study: optuna.Study, url: str, add: Callable[[optuna.Study], None]) -> list[str]:
    """What the import and the adoption of the same study say."""
    source = create_optuna_study(url, study.study_name, directions=study.directions)
    for each in (study, source):
        add(each)
    with pytest.raises(AdoptionRefused) as adopted:
        adopt(actor=COMMAND, name=study.study_name)
    with pytest.raises(CommandError) as imported:
        run_import_study("--storage", url, "--conflict", "rename")
    close_storage(source)
    assert not Study.objects.exists()
    return [f'study "{study.study_name}": {adopted.value}', str(imported.value)]


@pytest.mark.accept  # that an import refuses them is shown beside
@pytest.mark.parametrize(("trial", "reason"), BAD_TRIALS)
def test_trial_refused_by_import_is_not_adopted(
    url: str, trial: optuna.trial.FrozenTrial, reason: str
) -> None:
    study = optuna.create_study(study_name="stock", storage=DjangoStorage())
    adopted, imported = _refusals(study, url, lambda study: study.add_trial(trial))
    assert adopted == imported
    assert f'study "stock": {reason}' in imported


def test_study_refused_by_import_is_not_adopted(url: str) -> None:
    directions: Any = ["minimize"] * 11
    study = optuna.create_study(study_name="eleven", storage=DjangoStorage(), directions=directions)
    trial = _of({"x": X}, value=None, values=[1.0] * 11)
    adopted, imported = _refusals(study, url, lambda study: study.add_trial(trial))
    assert adopted == imported
    assert 'study "eleven": /direction: ' in imported


def test_list_of_constraints_is_adopted_and_moves(api: APIClient) -> None:
    study = optuna.create_study(study_name="old", storage=DjangoStorage())
    old = [{"constraints": [1.0, -1.0]}, {"constraints": [-1.0, 0.0]}]
    choices: dict[str, BaseDistribution] = {"c": CategoricalDistribution([None, 1])}
    for value, attrs in enumerate(old):
        study.add_trial(_of(choices, value=float(value), system_attrs=attrs))

    adopt(actor=COMMAND, name="old")

    body = get_study(api, "old")
    assert (body["best_value"], body["constraints"]) == (1.0, ["0", "1"])
    file = export_study(api, "old")
    delete_study(api, "old")
    import_file(api, file)
    assert_schemas_agree("old")
    assert export_study(api, "old") == file


def test_list_of_constraints_is_imported(api: APIClient, url: str) -> None:
    study = create_optuna_study(url)
    for value, constraint in ((0.0, 1.0), (1.0, -1.0)):
        study.add_trial(_of({"x": X}, value=value, system_attrs={"constraints": [constraint]}))
    run_import_study("--storage", url)
    assert get_study(api, "stock")["best_value"] == 1.0
    close_storage(study)

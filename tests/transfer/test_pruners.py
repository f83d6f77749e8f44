"""Each pruner, with its options, is cloned, exported and imported."""

import pytest
from rest_framework.test import APIClient

from tests.support import JSON
from tests.support.api_client import create_study, get_study
from tests.support.transfer_files import clone_study, delete_study, export_study, import_file

OPTIONS: dict[str, JSON] = {
    "hyperband": {"patience": 5, "min_delta": 0.5},
    "median": {"patience": 0},
    "none": {},
    "successive_halving": {"min_early_stopping_rate": 2},
    "percentile": {"percentile": 12.5, "patience": 1},
    "threshold": {"upper": 2.5},
    "wilcoxon": {"p_threshold": 0.25},
    "patient": {"patience": 7},
}


@pytest.mark.parametrize("pruner", OPTIONS)
def test_pruner_is_kept(api: APIClient, pruner: str) -> None:
    created = create_study(api, pruner=pruner, pruner_options=OPTIONS[pruner])
    kept = {"pruner": pruner, "pruner_options": created["pruner_options"]}
    assert OPTIONS[pruner].items() <= kept["pruner_options"].items()
    assert clone_study(api).items() >= kept.items()
    file = export_study(api)
    delete_study(api)
    import_file(api, file)
    assert get_study(api).items() >= kept.items()


def test_clone_drops_the_patience_and_has_another_pruner(api: APIClient) -> None:
    create_study(api, pruner="median", pruner_options={"patience": 5})
    without = clone_study(api, pruner_options={"patience": None, "min_delta": None})
    assert "patience" not in without["pruner_options"]
    delete_study(api, "clone")
    other = clone_study(api, pruner="threshold", pruner_options={"lower": 1})
    assert other["pruner_options"] == {
        "lower": 1,
        "upper": None,
        "n_warmup_steps": 0,
        "interval_steps": 1,
    }

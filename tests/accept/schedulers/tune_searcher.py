"""`TunerSearch`, called as Ray Tune calls it, in two processes one after the other."""

import os
import pickle
import sys
from pathlib import Path

import tuner
from tuner.ray import TunerSearch

FOLDER = Path(sys.argv[2])
CLIENT = tuner.Client()
SPACE = {"x": tuner.Float(0, 1)}


def result(step: int, **values: float) -> dict:
    return {"training_iteration": step, **values}


def refusal(search: TunerSearch, metric: str, mode: str) -> str:
    try:
        search.set_search_properties(metric, mode, {})
    except ValueError as error:
        return str(error)
    return ""


def first_process() -> None:
    study = CLIENT.create_study(
        "searcher", space=SPACE, max_trials=3, lease_seconds=60, max_retries=1,
        sampler="random", max_concurrent=4,
    )  # fmt: skip
    search = TunerSearch(study, "accuracy", max_t=5)
    assert (search.metric, search.mode) == ("accuracy", "max")
    assert search.set_search_properties("accuracy", "max", {}) is False
    expected = "expected those of TunerSearch and its study, 'accuracy' and 'max', or none"
    assert expected in refusal(search, "accuracy", "min")

    for trial in ("whole", "cut", "failing"):
        assert set(search.suggest(trial)) == {"x"}
    assert search.suggest("too many") is None  # the budget is in flight
    for step in range(1, 6):
        search.on_trial_result("whole", result(step, accuracy=step / 10))
    search.on_trial_complete("whole", result(5, accuracy=0.5))
    search.on_trial_result("cut", result(1, accuracy=0.1))
    search.on_trial_complete("cut", result(2, accuracy=0.2))  # as ASHA ends a trial
    search.on_trial_complete("failing", error=True)

    search = TunerSearch(study, "accuracy", max_t=5)  # it asks at once
    assert set(search.suggest("kept")) == {"x"}
    search.on_trial_result("kept", result(1, accuracy=0.7))
    search.save(str(FOLDER / "names"))
    (FOLDER / "searcher").write_bytes(pickle.dumps(search))
    assert os.environ["TUNER_TOKEN"].encode() not in (FOLDER / "searcher").read_bytes()


def second_process() -> None:
    search = pickle.loads((FOLDER / "searcher").read_bytes())
    search.restore(str(FOLDER / "names"))
    search.on_trial_result("unknown", result(1, accuracy=0.1))
    search.on_trial_complete("unknown", result(1, accuracy=0.1))
    search.on_trial_result("kept", result(2, accuracy=0.8))
    search.on_trial_complete("kept", result(2, accuracy=0.8))  # it has ended by itself
    assert search.suggest("after the end") == search.FINISHED

    study = CLIENT.create_study(
        "two-objectives", space=SPACE, direction=["minimize", "maximize"], max_trials=2,
        metric_names=["loss", "accuracy"], max_retries=0,
    )  # fmt: skip
    both = TunerSearch(study)
    assert (both.metric, both.mode) == (["loss", "accuracy"], ["min", "max"])
    both.suggest("good")
    both.on_trial_result("good", result(1, loss=0.3, accuracy=0.5))
    both.on_trial_complete("good", result(2, loss=0.2, accuracy=0.6))
    both.suggest("without result")
    both.on_trial_complete("without result")
    both.close()


{"first": first_process, "second": second_process}[sys.argv[1]]()

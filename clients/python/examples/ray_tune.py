"""Ray Tune with the service as its search algorithm, and the service's pruner."""

import sys
import time
from pathlib import Path

from ray import tune

import tuner
from tuner.ray import TunerPruning, TunerSearch

FOLDER = Path(sys.argv[1]).resolve()  # on storage that all nodes share


def train(config: dict) -> None:
    for epoch in range(1, 11):
        time.sleep(0.1)  # an epoch of training; Tune restores its checkpoints
        tune.report({"loss": (config["x"] - 2) ** 2 + config["noise"] / epoch})


if tune.Tuner.can_restore(FOLDER / "tune"):  # this program was killed: go on
    tuning = tune.Tuner.restore(str(FOLDER / "tune"), train, resume_errored=True)
else:
    study = tuner.Client().create_study(
        "ray-tune", direction="minimize", space={"x": tuner.Float(-10, 10)},
        pruner="median", pruner_options={"n_warmup_steps": 2},
        max_trials=20, lease_seconds=60, max_retries=3,
    )  # fmt: skip
    search = TunerSearch(study, metric="loss")
    tuning = tune.Tuner(
        train,
        param_space={"noise": 1.0},  # constants; the search space is the study's
        tune_config=tune.TuneConfig(
            search_alg=search, scheduler=TunerPruning(), num_samples=-1, reuse_actors=True
        ),
        run_config=tune.RunConfig(
            name="tune",
            storage_path=str(FOLDER),
            failure_config=tune.FailureConfig(max_failures=-1),
        ),
    )
tuning.fit()

"""A Ray task that evaluates two trials at a time, and whose process is killed once."""

import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import ray

import tuner

MARK = Path(sys.argv[1])


def objective(trial: Any) -> float:
    time.sleep(0.5)
    if trial.number == 3 and not MARK.exists():
        MARK.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return float(trial.params["x"])


@ray.remote(max_retries=-1)
def work(study: tuner.Study) -> None:
    study.optimize(objective, n_jobs=2)


study = tuner.Client().create_study(
    "ray-threads", space={"x": tuner.Float(0, 1)}, max_trials=8, lease_seconds=120
)
ray.init(num_cpus=1)
ray.get(work.remote(study))

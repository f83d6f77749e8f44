"""Workers as processes of joblib: when one dies, all start again, each with its trial."""

import random
import socket
import time
from concurrent.futures.process import BrokenProcessPool

from joblib import Parallel, cpu_count, delayed

import tuner


def train(params: dict, epoch: int) -> float:
    """Train for an epoch, from the checkpoint of the one before."""
    time.sleep(0.1)
    return (params["x"] - 2) ** 2 + random.random() / (epoch + 1)


def work(name: str) -> None:
    study = tuner.Client(worker_id=name).get_study("joblib")
    for trial in study.loop():
        with trial:
            for epoch in range(trial.next_step, 10):
                trial.report(train(trial.params, epoch), step=epoch)
            trial.complete(trial.intermediate_values[9])


space = {"x": tuner.Float(-10, 10)}
study = tuner.Client().create_study(
    "joblib", direction="minimize", space=space, max_trials=20, lease_seconds=120, max_retries=3
)
names = [f"joblib-{socket.gethostname()}-{number}" for number in range(cpu_count())]
while True:
    try:
        Parallel(n_jobs=len(names))(delayed(work)(name) for name in names)
        break
    except BrokenProcessPool:  # a process was killed, for its memory perhaps
        continue
print(study.best)

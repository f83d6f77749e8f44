"""Workers as tasks of Dask: a task whose process dies moves to another one, with its trial."""

import random
import socket
import time

from dask.distributed import Client

import tuner

N_WORKERS = 4  # threads that the cluster has, or will have


def train(params: dict, epoch: int) -> float:
    """Train for an epoch, from the checkpoint of the one before."""
    time.sleep(0.1)
    return (params["x"] - 2) ** 2 + random.random() / (epoch + 1)


def work(name: str) -> None:
    study = tuner.Client(worker_id=name).get_study("dask")
    for trial in study.loop():
        with trial:
            for epoch in range(trial.next_step, 10):
                trial.report(train(trial.params, epoch), step=epoch)
            trial.complete(trial.intermediate_values[9])


if __name__ == "__main__":
    space = {"x": tuner.Float(-10, 10)}
    study = tuner.Client().create_study(
        "dask", direction="minimize", space=space, max_trials=20, lease_seconds=120, max_retries=3
    )
    with Client() as cluster:
        names = [f"dask-{socket.gethostname()}-{number}" for number in range(N_WORKERS)]
        cluster.gather(cluster.map(work, names, pure=False))
    print(study.best)

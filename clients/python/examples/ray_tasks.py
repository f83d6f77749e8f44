"""Workers as Ray tasks: a task whose process dies starts again, and goes on with its trial."""

import random
import time

import ray

import tuner


def train(params: dict, epoch: int) -> float:
    """Train for an epoch, from the checkpoint of the one before."""
    time.sleep(0.1)
    return (params["x"] - 2) ** 2 + random.random() / (epoch + 1)


@ray.remote(max_retries=-1)
def work(study: tuner.Study) -> None:
    for trial in study.loop():
        with trial:
            for epoch in range(trial.next_step, 10):
                trial.report(train(trial.params, epoch), step=epoch)
            trial.complete(trial.intermediate_values[9])


space = {"x": tuner.Float(-10, 10)}
study = tuner.Client().create_study(
    "ray-tasks", direction="minimize", space=space, max_trials=20, lease_seconds=120, max_retries=3
)
ray.init()
n_workers = int(ray.cluster_resources()["CPU"])
ray.get([work.remote(study) for _ in range(n_workers)])
print(study.best)

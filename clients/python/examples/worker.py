"""A worker that its scheduler starts again, and that then goes on with its trial."""

import os
import random
import signal
import time

import tuner

# By default SIGTERM gives the trial back to the queue. Here it waits for its worker instead.
signal.signal(signal.SIGTERM, lambda *_: os._exit(75))


def train(params: dict, epoch: int) -> float:
    """Train for an epoch, from the checkpoint of the one before."""
    time.sleep(0.1)
    return (params["x"] - 2) ** 2 + random.random() / (epoch + 1)


space = {"x": tuner.Float(-10, 10)}
study = tuner.Client().create_study(
    "resumed", direction="minimize", space=space, max_trials=20, lease_seconds=600, max_retries=3
)
for trial in study.loop():
    with trial:
        for epoch in range(trial.next_step, 10):
            trial.report(train(trial.params, epoch), step=epoch)
        trial.complete(trial.intermediate_values[9])

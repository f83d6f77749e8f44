"""An ordinary objective with the callback for Lightning; arguments: strategy, number of ranks."""

import sys

import lightning
from model import Model, data

import tuner.lightning

STRATEGY, N_RANKS = sys.argv[1], int(sys.argv[2])


def objective(trial):
    callback = tuner.lightning.PruningCallback(trial, monitor="val_loss")
    trainer = lightning.Trainer(
        strategy=STRATEGY, devices=N_RANKS, max_epochs=3, callbacks=[callback], accelerator="cpu"
    )
    trainer.fit(Model(trial.suggest_float("offset", 0, 10)), data)
    callback.check_pruned()
    return trainer.callback_metrics["val_loss"].item()


if __name__ == "__main__":
    tuner.Client().get_study("lightning").optimize(objective)

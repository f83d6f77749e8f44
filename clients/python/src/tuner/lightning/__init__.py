"""PyTorch Lightning: a callback that prunes, and a loop for several processes.

With one process, or a strategy that starts processes for each `fit` (`ddp_spawn`, `ddp_fork`), the
callback is used in an ordinary objective of `tuner.Study.optimize`: the parameters travel with the
model.

    def objective(trial):
        callback = tuner.lightning.PruningCallback(trial, monitor="val_loss")
        trainer = Trainer(strategy="ddp_spawn", devices=2, callbacks=[callback])
        trainer.fit(Model(trial.suggest_float("lr", 1e-5, 1e-1, log=True)), datamodule)
        callback.check_pruned()  # not needed with one process
        return trainer.callback_metrics["val_loss"].item()

Where several processes run the whole program, as `torchrun` starts them (`ddp`, `fsdp`, …), each of
them iterates over the trials that the first one receives.

    for trial in tuner.lightning.loop(study):
        with trial:
            callback = tuner.lightning.PruningCallback(trial, monitor="val_loss")
            trainer = Trainer(strategy="ddp", devices=2, callbacks=[callback])
            trainer.fit(Model(**trial.params), datamodule)
            trial.complete(trainer.callback_metrics["val_loss"].item())
"""

from tuner.lightning.callback import PruningCallback
from tuner.lightning.ranks import SharedTrial, loop

__all__ = ["PruningCallback", "SharedTrial", "loop"]

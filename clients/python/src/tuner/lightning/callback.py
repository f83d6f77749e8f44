"""The callback that reports a metric, and ends the training of all ranks."""

import os
import warnings
from typing import Any

try:
    from lightning.pytorch import Callback, LightningModule, Trainer
except ImportError:  # the same under its older name
    from pytorch_lightning import Callback, LightningModule, Trainer

from tuner._worker.outcomes import ends_trial_only, raise_pruned
from tuner.errors import ConfigurationError, StudyStopped, TunerError
from tuner.pruned import Pruned


class PruningCallback(Callback):
    """Reports a metric after each validation, and ends the training as the service advises.

    The first rank reports; what it is answered is broadcast, and raised by `fit` on every rank:
    `Pruned`, `StudyStopped` or `LeaseLost`. Processes that were started for this `fit` cannot raise
    it in the process that called it: they end the training, and `check_pruned` raises it there.

    Args:
        trial: what the objective or the loop received.
        monitor: the name of the metric, as it was logged.
    """

    def __init__(self, trial: Any, monitor: str) -> None:
        super().__init__()
        self._trial = trial
        self._monitor = monitor
        self._process = os.getpid()
        self._was_set_up = False  # in this process
        self._is_over = False

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Check that all ranks evaluate the same trial.

        Raises:
            ConfigurationError: each rank has asked for a trial of its own.
        """
        self._was_set_up = True
        mine = (self._trial.number, self._trial.params)
        first = trainer.strategy.broadcast(mine)
        if mine != first:
            raise ConfigurationError(
                f"rank 0 evaluates trial {first[0]}, and rank {trainer.global_rank} trial "
                f"{mine[0]}: start the ranks by torchrun and iterate over tuner.lightning.loop, "
                "or use the strategy ddp_spawn"
            )

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Report the metric, and end the training if it is to end."""
        if trainer.sanity_checking or self._is_over:
            return
        error = self._report(trainer) if trainer.is_global_zero else None
        error = trainer.strategy.broadcast(error)
        if error is None:
            return
        if os.getpid() == self._process or not ends_trial_only(error):
            raise error
        if trainer.is_global_zero and isinstance(error, Pruned | StudyStopped):
            self._trial.prune(str(error))
        trainer.should_stop = self._is_over = True

    def check_pruned(self) -> None:
        """Raise what has ended the processes of a `fit`; does nothing if it ran in this process.

        Raises:
            Pruned: the trial was pruned.
            LeaseLost: it was ended without this worker.
        """
        if self._was_set_up or not self._trial.study.is_created:
            return
        trial = self._trial.study.trial(self._trial.number)
        if trial.state == "PRUNED":
            raise_pruned(trial.reason or "pruned")
        self._trial.heartbeat()

    def _report(self, trainer: Trainer) -> Exception | None:
        """Report the metric; returns what ends the training."""
        value = trainer.callback_metrics.get(self._monitor)
        if value is None:
            warnings.warn(
                f'the metric "{self._monitor}" was not logged before the end of the validation, '
                f"and is not reported: there are {sorted(trainer.callback_metrics)}",
                stacklevel=2,
            )
            return None
        try:
            self._trial.report(float(value), step=trainer.current_epoch)
            if self._trial.should_prune():
                raise_pruned(f"pruned at epoch {trainer.current_epoch}")
        except (Pruned, StudyStopped, TunerError) as error:
            return error
        return None

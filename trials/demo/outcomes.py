"""What becomes of the trials of a demo study, and how long they take."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from optuna_bridge.enums import TrialState
from trials.demo.catalogue import SEED, Demo
from trials.demo.objectives import Params
from trials.domain import TrialResult
from trials.models import Trial

OUT_OF_MEMORY = "CUDA out of memory. Tried to allocate 2.25 GiB (GPU 0; 23.69 GiB in total)"
PREEMPTED = "SIGTERM: the node was preempted"
NOT_CONVERGED = "the solver did not converge"
BROKEN = "FileNotFoundError: /data/train/shard-017.tar"


@dataclass(frozen=True)
class Outcome:
    """The result of a trial, and how many seconds it takes."""

    result: TrialResult
    seconds: float


@dataclass
class Outcomes:
    """Draws the outcomes of a demo's trials, the same ones each time."""

    demo: Demo
    _curves: list[list[float]] = field(default_factory=list)  # of trainings up to the end

    def of(self, trial: Trial) -> Outcome:
        """Return what becomes of a trial."""
        rng = np.random.default_rng([SEED, len(self.demo.definition.name), trial.number])
        seconds = self.demo.seconds * float(rng.lognormal(0, 0.25))
        if self.demo.breaks_at is not None and trial.number >= self.demo.breaks_at:
            return _failure(BROKEN, 0.4 * seconds)
        if rng.random() < 0.06:
            return _failure(PREEMPTED, seconds * float(rng.random()), retry=True)
        values = [value + _noise(self.demo, trial) for value in self.demo.function(trial.params)]
        if self.demo.steps:
            return self._training(trial.params, values[0], seconds, rng)
        if rng.random() < 0.03:
            return _failure(NOT_CONVERGED, 2 * seconds)
        return Outcome(TrialResult(state=TrialState.COMPLETE, values=values), seconds)

    def _training(
        self, params: Params, value: float, seconds: float, rng: np.random.Generator
    ) -> Outcome:
        """Return the outcome of a training: complete, pruned, diverged or out of memory."""
        if params["batch_size"] >= 112 and rng.random() < 0.3:
            return _failure(OUT_OF_MEMORY, 0.03 * seconds)
        curve = self._curve(value, rng)
        if params["learning_rate"] > 0.05 and rng.random() < 0.5:
            return self._diverged(curve, seconds)
        n = self.demo.steps // 3
        others = [each[n - 1] for each in self._curves]
        if len(others) >= 5 and curve[n - 1] < np.median(others) - 0.02:
            early = TrialResult(state=TrialState.PRUNED, intermediate_values=_steps(curve[:n]))
            return Outcome(early, seconds * n / self.demo.steps)
        self._curves.append(curve)
        return Outcome(
            TrialResult(
                state=TrialState.COMPLETE, values=[max(curve)], intermediate_values=_steps(curve)
            ),
            seconds,
        )

    def _curve(self, value: float, rng: np.random.Generator) -> list[float]:
        """Return the accuracy after each epoch: it rises, and jitters less and less."""
        rate = float(rng.uniform(3, 7))
        noise = rng.normal(0, 0.02, self.demo.steps)
        return [
            round(value * (1 - math.exp(-step / rate)) + float(jitter) / math.sqrt(step), 5)
            for step, jitter in enumerate(noise, 1)
        ]

    def _diverged(self, curve: Sequence[float], seconds: float) -> Outcome:
        n = 5
        values = [*curve[: n - 1], math.nan]
        reason = f"the loss is NaN in epoch {n}"
        result = TrialResult(
            state=TrialState.FAIL, intermediate_values=_steps(values), reason=reason
        )
        return Outcome(result, seconds * n / self.demo.steps)


def _failure(reason: str, seconds: float, *, retry: bool = False) -> Outcome:
    return Outcome(TrialResult(state=TrialState.FAIL, reason=reason, retry=retry), seconds)


def _steps(values: Sequence[float]) -> dict[int, float]:
    return dict(enumerate(values, 1))


def _noise(demo: Demo, trial: Trial) -> float:
    """Return the noise of a repeat, by its seed and its point."""
    if not demo.noise or trial.repeat is None:
        return 0.0
    rng = np.random.default_rng([trial.repeat["seed"], trial.repeat["group"]])
    return float(rng.normal(0, demo.noise))

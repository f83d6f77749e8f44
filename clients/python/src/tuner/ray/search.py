"""The service, as a search algorithm of Ray Tune."""

import json
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ray.tune.search import Searcher

from tuner._sync.client import Client
from tuner._sync.study import Study
from tuner.errors import ApiError, Busy, ConnectionFailed, LeaseLost, StudyEnded, StudyPaused
from tuner.ray.tune_trials import Names, TuneTrial, ask, find, start_heartbeat

_log = logging.getLogger("tuner")

BUSY_SECONDS = 1.0  # where an answer does not say when to ask again
PAUSED_SECONDS = 10.0
STEP = "training_iteration"  # of each result, from 1


class TunerSearch(Searcher):
    """Suggests the trials of a study to Ray Tune, and tells their results.

    The search space is the study's; `param_space` of the `Tuner` is for constants. Of a single
    objective each result is reported. A trial whose evaluation fails is queued again, as
    `max_retries` of the study allows.

    A `Tuner` that is restored finds the service by `TUNER_URL` or `~/.config/tuner.toml`, since no
    token is stored with it, and goes on with the trials whose leases have not expired.

    Args:
        study: of which trials are suggested, until it ends: pass `num_samples=-1` to Tune.
        metric: the key of a result that is the objective, or one for each objective; by default
            `metric_names` of the study.
        max_t: with a scheduler of Tune that stops trials, the iterations of a whole evaluation: a
            trial that Tune stops before them is told as PRUNED. Without, it is told as COMPLETE
            with its last value.
    """

    def __init__(
        self, study: Study, metric: str | Sequence[str] | None = None, *, max_t: int | None = None
    ) -> None:
        metrics = [metric] if isinstance(metric, str) else metric or study.info.metric_names or []
        modes = [direction.name[:3].lower() for direction in study.directions]
        if len(metrics) != len(modes):
            raise ValueError(
                f'metric is {metric!r}, and study "{study.name}" has {len(modes)} objectives: '
                "expected the key of a result for each of them"
            )
        self._metrics = list(metrics)
        super().__init__(*((metrics[0], modes[0]) if len(modes) == 1 else (self._metrics, modes)))
        self._study = study
        self._max_t = max_t
        self._held: dict[str, TuneTrial] = {}
        self._ask_at = 0.0
        self._end_heartbeat = start_heartbeat(self, self._held, study.info.lease_seconds)

    def close(self) -> None:
        """Let the leases expire of trials that an interrupted `fit` has left.

        At the end of the process it happens by itself.
        """
        self._end_heartbeat()

    # What Tune calls --------------------------------------------------------------------------

    def set_search_properties(
        self, metric: str | None, mode: str | None, config: Mapping[str, Any], **spec: Any
    ) -> bool:
        """Check the `TuneConfig`, and answer False: Tune refuses a search space of its own then."""
        if metric not in {None, self.metric} or mode not in {None, self.mode}:
            raise ValueError(
                f"TuneConfig has the metric {metric!r} and the mode {mode!r}: expected those of "
                f"TunerSearch and its study, {self.metric!r} and {self.mode!r}, or none"
            )
        return False

    def suggest(self, trial_id: str) -> Any:
        """Return the parameters of a new trial, None while there is none, or FINISHED."""
        if time.monotonic() < self._ask_at:
            return None
        worker_id = f"{self._study.client.worker_id[:100]}-{trial_id}"  # unique, as trials of Tune
        try:
            held = self._held[trial_id] = ask(self._study, worker_id)
        except StudyEnded as ended:
            _log.info('study "%s" has ended: %s', self._study.name, ended.detail)
            return self.FINISHED
        except (ApiError, ConnectionFailed) as error:
            self._ask_at = time.monotonic() + _seconds_to_wait(error)
            _log.info('study "%s" hands out no trial now: %s', self._study.name, error)
            return None
        return held.trial.params

    def on_trial_result(self, trial_id: str, result: Mapping[str, Any]) -> None:
        """Report a result, unless `TunerPruning` has."""
        if (held := self._held.get(trial_id)) is not None:
            self._report(held, result)

    def report_for_pruning(self, trial_id: str, result: Mapping[str, Any]) -> bool:
        """Report a result, and return whether Tune is to stop the trial."""
        self.on_trial_result(trial_id, result)
        held = self._held.get(trial_id)
        if held is None:
            return False
        held.is_stopped = held.advice is not None
        return held.is_stopped

    def on_trial_complete(
        self, trial_id: str, result: Mapping[str, Any] | None = None, error: bool = False
    ) -> None:
        """Tell how a trial has ended."""
        held = self._held.pop(trial_id, None)
        if held is None:
            return
        try:
            self._tell(held, result or {}, error)
        except LeaseLost as lost:
            _log.warning("trial %s: %s", held.trial.trial_id, lost)

    def save(self, checkpoint_path: str) -> None:
        """Write the names of the running trials."""
        names = {trial_id: asdict(held.names) for trial_id, held in self._held.items()}
        Path(checkpoint_path).write_text(json.dumps(names), encoding="utf-8")

    def restore(self, checkpoint_path: str) -> None:
        """Go on with the trials whose names were saved."""
        saved = json.loads(Path(checkpoint_path).read_text(encoding="utf-8"))
        for trial_id, names in saved.items():
            held = self._held[trial_id] = find(self._study, Names(**names))
            held.renew()

    def __getstate__(self) -> dict[str, Any]:
        return {"study": self._study.name, "metric": self._metrics, "max_t": self._max_t}

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        study = Client().get_study(state["study"])
        TunerSearch.__init__(self, study, state["metric"], max_t=state["max_t"])

    # What the service is told -----------------------------------------------------------------

    def _report(self, held: TuneTrial, result: Mapping[str, Any]) -> None:
        values = self._values(result)
        if len(values) == 1:  # only of a single objective, and only if it is in the result
            held.report(values[0], result[STEP])

    def _tell(self, held: TuneTrial, result: Mapping[str, Any], error: bool) -> None:
        trial, values = held.trial, self._values(result)
        if error:
            trial.fail("the trial of Ray Tune failed: see its error.txt", retry=True)
        elif held.is_stopped:
            trial.prune(held.advice)
        elif len(values) < len(self._metrics):
            trial.fail(f"Ray Tune ended the trial without a result with {self.metric}", retry=True)
        else:
            is_cut_short = self._is_cut_short(held, result)
            self._report(held, result)
            if is_cut_short:
                trial.prune("stopped by the scheduler of Ray Tune")
            else:
                trial.complete(values if len(values) > 1 else values[0])

    def _is_cut_short(self, held: TuneTrial, result: Mapping[str, Any]) -> bool:
        """Tell whether Tune ended an evaluation: the last result of such a one is not passed on."""
        is_early = self._max_t is not None and result[STEP] < self._max_t
        return is_early and held.reported_step != result[STEP]

    def _values(self, result: Mapping[str, Any]) -> list[float]:
        """Return the objectives' values that a result has."""
        return [result[name] for name in self._metrics if name in result]


def _seconds_to_wait(error: ApiError | ConnectionFailed) -> float:
    """Return the seconds after which to ask again, or raise an error that will not change."""
    if isinstance(error, ApiError):
        if error.status < 500 and not isinstance(error, Busy | StudyPaused):
            raise error
        if error.retry_after is not None:
            return error.retry_after
    return PAUSED_SECONDS if isinstance(error, StudyPaused) else BUSY_SECONDS

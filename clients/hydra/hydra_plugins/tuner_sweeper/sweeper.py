"""The sweeper."""

import logging
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn
from hydra.errors import HydraException
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from hydra_plugins.tuner_sweeper.search_space import Parameter, read_overrides
from omegaconf import DictConfig, OmegaConf

import tuner

_log = logging.getLogger(__name__)


class TunerSweeper(Sweeper):
    """Runs the trials of a study as jobs, batch after batch, until the study ends.

    Args: see `TunerSweeperConfig`.
    """

    def __init__(
        self,
        study: str,
        definition: DictConfig,
        n_jobs: int,
        params: Mapping[str, str],
        worker_id: str | None,
    ) -> None:
        self.study_name = study
        self.definition: Any = OmegaConf.to_container(definition, resolve=True)
        self.n_jobs = n_jobs
        self.params = params
        self.worker_id = worker_id

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        self.hydra_context = hydra_context
        self.config = config
        self.launcher: Launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> None:
        """Run the sweep.

        Args:
            arguments: the overrides of the command line.

        Raises:
            StudyPaused: the study is paused, perhaps since all jobs failed.
        """
        lines = [*(f"{key}={value}" for key, value in self.params.items()), *arguments]
        parser = OverridesParser.create(config_loader=self.hydra_context.config_loader)
        overrides = read_overrides(lines, parser)
        space = {
            name: each.distribution
            for name, each in overrides.items()
            if isinstance(each, Parameter)
        }
        client = tuner.Client(worker_id=self.worker_id)
        study = client.create_study(self.study_name, space=space, **self.definition)
        n_launched = 0
        while trials := self._ask(study):
            self._evaluate(trials, overrides, n_launched)
            n_launched += len(trials)
        self._save(study)

    def _ask(self, study: tuner.Study) -> list[tuner.Trial]:
        """Return a batch of trials; an empty one once the study has ended."""
        while True:
            try:
                return study.ask(self.n_jobs)
            except tuner.StudyEnded:
                return []
            except tuner.Busy as busy:  # other workers evaluate the last trials
                _log.info("%s", busy)

    def _evaluate(
        self, trials: list[tuner.Trial], overrides: Mapping[str, Parameter | str], first_job: int
    ) -> None:
        batch = [
            [
                each.override(trial.params[name]) if isinstance(each, Parameter) else each
                for name, each in overrides.items()
            ]
            for trial in trials
        ]
        with ExitStack() as running:  # renews their leases, and gives them back at SIGTERM
            for trial in trials:
                running.enter_context(trial)
            self.validate_batch_is_legal(batch)
            jobs = self.launcher.launch(batch, initial_job_idx=first_job)
            for trial, job in zip(trials, jobs, strict=True):
                _tell(trial, job)

    def _save(self, study: tuner.Study) -> None:
        """Write the result of the sweep into its folder, as other sweepers do."""
        best = [
            {"trial_id": trial.trial_id, "params": trial.params, "values": trial.values}
            for trial in _best_trials(study)
        ]
        folder = Path(self.config.hydra.sweep.dir)
        folder.mkdir(parents=True, exist_ok=True)
        results = {"name": "tuner", "study": study.name, "best": best}
        OmegaConf.save(OmegaConf.create(results), folder / "optimization_results.yaml")
        _log.info('study "%s": best %s', study.name, best)


def _best_trials(study: tuner.Study) -> list[Any]:
    if len(study.directions) > 1:
        return study.pareto_front()
    try:
        return [study.trial(study.best.trial_id)]
    except tuner.NotFound:  # no job has succeeded
        return []


def _tell(trial: tuner.Trial, job: JobReturn) -> None:
    """Tell how a job has ended."""
    try:
        value = job.return_value
    except Exception as error:  # noqa: BLE001 - whatever the job raised is its failure
        trial.fail(repr(error), retry=True)
        return
    if value is None:
        raise HydraException("the job returned nothing: expected the value of the objective")
    try:
        trial.complete(value)
    except tuner.LeaseLost as lost:
        _log.warning("trial %s: %s", trial.trial_id, lost)
